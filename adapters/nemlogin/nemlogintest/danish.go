package nemlogintest

// danish has the sentences of the pages for who reads Danish. Stories of the
// people and reasons of a refusal stay in English, and say so.
var danish = map[string]string{
	"en":              "da",
	"NemLog-in":       "NemLog-in",
	"Log on":          "Log på",
	"Going back":      "Tilbage",
	"Going back to":   "Tilbage til",
	"Level":           "Niveau",
	"Cancel":          "Annullér",
	"Continue":        "Fortsæt",
	"Or turn back":    "Eller gå tilbage",
	"is logged on.":   "er logget på.",
	"Technical error": "Teknisk fejl",
	"Simulator: this is not NemLog-in, and nobody here exists.":         "Simulator: Det her er ikke NemLog-in, og ingen her findes.",
	"Log on as an invented person":                                      "Log på som en opdigtet person",
	"asks for somebody who acts for a company":                          "beder om en, der handler for en virksomhed",
	"asks for a private person":                                         "beder om en privatperson",
	"at this level or better:":                                          "på dette niveau eller højere:",
	"Nobody here meets this request.":                                   "Ingen her opfylder kravene.",
	"These should be refused":                                           "De her skal afvises",
	"If nothing happens, press the button.":                             "Tryk på knappen, hvis der ikke sker noget.",
	"NemLog-in cannot use this request. The service must be corrected.": "NemLog-in kan ikke bruge denne forespørgsel. Tjenesten skal rettes.",
	"The simulator’s reason:":                                           "Simulatorens begrundelse:",
	"You are logged off":                                                "Du er logget af",
	"Every service that you visited has been asked to log you off. Close the browser on a shared computer.": "Alle de tjenester, du har besøgt, er bedt om at logge dig af. Luk browseren, hvis andre også bruger computeren.",
	"Log off everywhere": "Log af alle steder",
	"Nobody is logged on. Begin at a service that uses NemLog-in.": "Ingen er logget på. Begynd hos en tjeneste, der bruger NemLog-in.",
}

package post

import "net/http"

// Faults of logging in (POST-1nnn). They tell a person what happened and
// nothing of why a message was refused; the reason code is in the audit trail.
var (
	FaultLoginNeeded = fault("POST-1001", http.StatusUnauthorized,
		"You are not logged on, or you have been logged off.", "Du er ikke logget på, eller du er blevet logget af.",
		"Log on again with MitID.", "Log på igen med MitID.")
	FaultLoginCancelled = fault("POST-1002", http.StatusForbidden,
		"The log-on was cancelled.", "Du afbrød, før du var logget på.",
		"Try again when you are ready.", "Prøv igen, når du er klar.")
	FaultLevelTooLow = fault("POST-1003", http.StatusForbidden,
		"Your MitID is not strong enough to log on here.",
		"Dit MitID er ikke sikkert nok til at logge på her.",
		"Log on with the MitID app or the code display. If that does not help, scan your passport in the MitID app, or visit Citizen Service (Borgerservice).",
		"Log på med MitID-appen eller kodeviseren. Hjælper det ikke, så scan dit pas i MitID-appen, eller mød op i Borgerservice.")
	FaultNoCPR = fault("POST-1004", http.StatusForbidden,
		"Your log-on came without a CPR number, which this service needs.",
		"Dit login kom uden CPR-nummer, og det skal vi bruge her.",
		"Log on with a Danish MitID that is tied to your CPR number, or call your municipality.",
		"Log på med et MitID, der er knyttet til dit CPR-nummer, eller ring til din kommune.")
	FaultLoginDown = fault("POST-1005", http.StatusFailedDependency,
		"NemLog-in could not complete the log-on.", "NemLog-in kunne ikke gennemføre dit login.",
		"It is not your fault. Try again in a few minutes.", "Det er ikke din fejl. Prøv igen om et par minutter.")
	FaultLoginMixedUp = fault("POST-1006", http.StatusBadRequest,
		"The log-on took too long, or you have several log-on windows open.",
		"Det tog for lang tid at logge på, eller du har flere login-vinduer åbne.",
		"Close the other windows and log on again from here.",
		"Luk de andre vinduer, og log på igen herfra.")
	FaultLoginRefused = fault("POST-1007", http.StatusForbidden,
		"We could not trust the answer from the log-on, so you are not logged on.",
		"Vi kunne ikke stole på svaret fra login, så du er ikke logget på.",
		"Log on again from here. If it happens again, call your municipality and give the error reference.",
		"Log på igen herfra. Sker det igen, så ring til din kommune, og oplys fejlreferencen.")
	FaultReturnPath = fault("POST-1008", http.StatusBadRequest,
		"After the log-on you can only be sent to a page of this site.",
		"Når du har logget på, kan du kun komme til en side her hos os.",
		"Start from our front page.", "Start fra vores forside.")
	FaultLevelUnknown = fault("POST-1009", http.StatusBadRequest,
		"There is no such level of assurance.", "Det sikringsniveau findes ikke.",
		"Ask for Substantial or High.", "Bed om Substantial eller High.")
	FaultLogout = fault("POST-1010", http.StatusBadRequest,
		"We could not trust this log-off message, so nothing was changed.",
		"Vi kunne ikke stole på beskeden om at logge af, så intet er ændret.",
		"Log off with the button on our page, or close the browser.",
		"Log af med knappen på vores side, eller luk browseren.")
	FaultLoginKind = fault("POST-1011", http.StatusForbidden,
		"You chose to log on as a private person but used a log-on for a company, or the other way round.",
		"Du valgte at logge på som privatperson, men brugte et login for en virksomhed. Eller omvendt.",
		"Log on again and use the one that fits. From the front page you can log on as either.",
		"Log på igen med det, der passer. Fra forsiden kan du vælge begge dele.")
	FaultNoGrant = fault("POST-1012", http.StatusForbidden,
		"You cannot act for that person or company in this log-on.",
		"Du kan ikke handle for den person eller virksomhed i dette login.",
		"Choose one of those on the page; a new power of attorney counts from your next log-on.",
		"Vælg en af dem på siden. En ny fuldmagt gælder fra dit næste login.")
	FaultNoRole = fault("POST-1013", http.StatusForbidden,
		"Your company has not given you the right to write from here.",
		"Din virksomhed har ikke givet dig lov til at skrive herfra.",
		"Ask the administrator of your company in MitID Erhverv for the right, and log on again.",
		"Bed virksomhedens administrator i MitID Erhverv om rettigheden, og log på igen.")
	FaultStepUp = fault("POST-1014", http.StatusForbidden,
		"This page needs a safer or fresher log-on than the one you have.",
		"Siden kræver et sikrere eller nyere login end det, du har.",
		"Open the page again and log on; what you had saved is still there.",
		"Åbn siden igen, og log på. Det, du havde gemt, er der stadig.")
	FaultTooOften = fault("POST-1015", http.StatusTooManyRequests,
		"The site is too busy right now, or too much comes from your network.",
		"Der er for travlt på siden lige nu, eller der kommer for meget fra dit netværk.",
		"Wait a minute and try again; nothing that you saved is lost.",
		"Vent et minut, og prøv igen. Det, du har gemt, er der stadig.")
	FaultUndecided = fault("POST-1016", http.StatusForbidden,
		"You have not yet chosen whom you act for.",
		"Du har endnu ikke valgt, hvem du handler for.",
		"Choose it, then send what you wrote once more.",
		"Vælg det, og send så det, du skrev, igen.")
	// FaultOtherWriter says that a form was made for another person, or for another whom this
	// one may act for, than the session is for by now.
	FaultOtherWriter = fault("POST-1017", http.StatusForbidden,
		"This page was opened by somebody else, or for somebody else than you act for now.",
		"Siden blev åbnet af en anden, eller på vegne af en anden end den, du handler for nu.",
		"Nothing was saved or sent. Choose whom you act for, or log on as the one who wrote; then send it once more.",
		"Intet er gemt eller sendt. Vælg, hvem du handler for, eller log på som den, der skrev, og send så igen.")
)

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
		"Your MitID gives too low a level of assurance for this service.",
		"Dit MitID har et for lavt sikringsniveau til denne løsning.",
		"Log on with a MitID at level Substantial; Borgerservice can raise yours.",
		"Log på med et MitID på niveau Betydelig; Borgerservice kan løfte dit.")
	FaultNoCPR = fault("POST-1004", http.StatusForbidden,
		"Your log-on came without a CPR number, which this service needs.",
		"Dit login kom uden CPR-nummer, og det skal vi bruge her.",
		"Log on with a Danish MitID that is tied to your CPR number, or call us.",
		"Log på med et MitID, der er knyttet til dit CPR-nummer, eller ring til os.")
	FaultLoginDown = fault("POST-1005", http.StatusFailedDependency,
		"NemLog-in could not complete the log-on.", "NemLog-in kunne ikke gennemføre dit login.",
		"Try again in a few minutes.", "Prøv igen om et par minutter.")
	FaultLoginMixedUp = fault("POST-1006", http.StatusBadRequest,
		"This log-on does not belong to the page you came from, or it took too long.",
		"Dette login hører ikke til den side, du kom fra, eller det tog for lang tid.",
		"Close other log-on windows and start again from our page.",
		"Luk andre login-vinduer, og start forfra fra vores side.")
	FaultLoginRefused = fault("POST-1007", http.StatusForbidden,
		"We could not trust the answer from the log-on, so you are not logged on.",
		"Vi kunne ikke stole på svaret fra login, så du er ikke logget på.",
		"Start again from our page; if it goes on, give us the error reference.",
		"Start forfra fra vores side. Bliver det ved, så oplys fejlreferencen.")
	FaultReturnPath = fault("POST-1008", http.StatusBadRequest,
		"After the log-on you can only be sent to a page of this service.",
		"Efter login kan du kun sendes til en side i denne løsning.",
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
		"This log-on is for the other kind of user: private person or company.",
		"Dette login er til den anden slags bruger: privatperson eller virksomhed.",
		"Go back and choose to log on as the kind of user that you are.",
		"Gå tilbage, og vælg at logge på som den slags bruger, du er.")
	FaultNoGrant = fault("POST-1012", http.StatusForbidden,
		"You cannot act for that person or company in this log-on.",
		"Du kan ikke handle for den person eller virksomhed i dette login.",
		"Choose one of those on the page; a new power of attorney counts from your next log-on.",
		"Vælg en af dem på siden. En ny fuldmagt gælder fra dit næste login.")
	FaultNoRole = fault("POST-1013", http.StatusForbidden,
		"Your company has not given you the right to use this service.",
		"Din virksomhed har ikke givet dig ret til at bruge denne løsning.",
		"Ask the administrator of your company in MitID Erhverv for the right, and log on again.",
		"Bed virksomhedens administrator i MitID Erhverv om rettigheden, og log på igen.")
	FaultStepUp = fault("POST-1014", http.StatusForbidden,
		"This page needs a safer or fresher log-on than the one you have.",
		"Siden kræver et sikrere eller nyere login end det, du har.",
		"Open the page again and log on; what you had saved is still there.",
		"Åbn siden igen, og log på. Det, du havde gemt, er der stadig.")
	FaultTooOften = fault("POST-1015", http.StatusTooManyRequests,
		"Just now, more is being asked of us from your network, or from everybody, than we let in.",
		"Lige nu spørges der oftere fra dit netværk, eller fra alle, end vi kan tage imod.",
		"Wait a minute and try again; nothing that you saved is lost.",
		"Vent et minut, og prøv igen. Intet, du har gemt, er gået tabt.")
)

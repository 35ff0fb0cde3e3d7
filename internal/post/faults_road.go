package post

import "net/http"

// Faults of what carriers are chosen to be given (POST-700n, POST-713n).
var (
	FaultMemoVersion = fault("POST-7004", http.StatusUnprocessableEntity,
		"The letter names somebody on whose behalf it is sent, and the version of Digital Post's format chosen here has no place for that.",
		"Brevet nævner en, på hvis vegne det sendes, og den valgte version af Digital Posts format har ikke plads til det.",
		"The operator chooses MeMo 1.2 (memo_version) for the carrier; then retry the letter. Nothing was sent.",
		"Driften vælger MeMo 1.2 (memo_version) for forsyningen; prøv derefter brevet igen. Intet er sendt.")
	FaultContactPointLoops = fault("POST-7134", http.StatusInternalServerError,
		"The municipality's contact point leads back into an inbox here.",
		"Kommunens kontaktpunkt fører tilbage til en indbakke her.",
		"Name a contact point behind which the municipality's own recipient system stands, or give that contact point another system in Administrativ Adgang.",
		"Angiv et kontaktpunkt med kommunens eget modtagersystem bag, eller giv kontaktpunktet et andet system i Administrativ Adgang.")
)

package post

import "net/http"

// Faults of days and holds (POST-2nnn, continued).
var (
	FaultArriveDay = fault("POST-2021", http.StatusUnprocessableEntity,
		"The latest day of arrival is not a day written as 2026-12-28, or is more than one year ahead.",
		"Den seneste dag for modtagelse er ikke en dato skrevet som 2026-12-28 eller ligger mere end et år ude i fremtiden.",
		"Write year, month and day with dashes, or leave the day out.", "Skriv år, måned og dag med bindestreger, eller udelad dagen.")
	FaultTooLate = fault("POST-2022", http.StatusUnprocessableEntity,
		"The letter can no longer arrive by its latest day, on any road.", "Brevet kan ikke længere nå frem senest den angivne dag, uanset kanal.",
		"Choose a later day, or leave the day out and send the letter all the same.", "Vælg en senere dag, eller udelad dagen og send brevet alligevel.")
	FaultHoldReason = fault("POST-2023", http.StatusUnprocessableEntity,
		"The reason of the hold is not one of those listed.", "Årsagen til tilbageholdelsen er ikke en af de mulige.",
		"Give one of: complaint, lawsuit, supervision, access, investigation.", "Angiv en af: complaint, lawsuit, supervision, access, investigation.")
	FaultNothingToHold = fault("POST-2024", http.StatusConflict,
		"The letter's content has been purged already; there is nothing left to hold.", "Brevets indhold er allerede slettet; der er intet at holde tilbage.",
		"Use the evidence and the ledger, which stay.", "Brug beviset og protokollen, som bevares.")
)

package post

import "net/http"

// Faults of the vault (POST-05nn): sealing, opening, storing, receipts.
var (
	FaultSealed = fault("POST-0501", http.StatusUnprocessableEntity,
		"The sealed content cannot be opened here.", "Det forseglede indhold kan ikke åbnes her.",
		"Use the identity that it was sealed to, and fetch the content again; if it still fails, it has been altered or erased.",
		"Brug den nøgle, som indholdet er forseglet til, og hent det igen. Lykkes det ikke, er det ændret eller slettet.")
	FaultPackage = fault("POST-0502", http.StatusUnprocessableEntity,
		"The opened package is not the one that was asked for, or is not whole.", "Pakken er ikke den, der blev bedt om, eller den er ikke hel.",
		"Fetch the content again and do not use what you have; report it if it happens twice.",
		"Hent indholdet igen, og brug ikke det modtagne. Meld det, hvis det sker to gange.")
	FaultStorageFull = fault("POST-0503", http.StatusServiceUnavailable,
		"There is no room to store this now; nothing was kept.", "Der er ikke plads til at gemme dette nu; intet er gemt.",
		"Send it again later; the operator must make room.", "Send det igen senere. Driften skal skaffe plads.")
	FaultStatement = fault("POST-0504", http.StatusUnprocessableEntity,
		"This receipt was not made here, or it has been changed.", "Kvitteringen er ikke udstedt her, eller den er ændret.",
		"Use the receipt file exactly as you got it.", "Brug kvitteringsfilen, præcis som du fik den.")
	FaultInclusion = fault("POST-0505", http.StatusUnprocessableEntity,
		"The proof does not show that this entry is in the log.", "Beviset viser ikke, at posten står i loggen.",
		"Fetch a new proof; if it fails again, report it.", "Hent et nyt bevis. Fejler det igen, så meld det.")
	FaultRecipients = fault("POST-0506", http.StatusUnprocessableEntity,
		"The list of recipients to seal to cannot be used.", "Listen over modtagere, der skal forsegles til, kan ikke bruges.",
		"Write one public age key a line, all of one kind.", "Skriv én offentlig age-nøgle pr. linje, alle af samme slags.")
	FaultIdentity = fault("POST-0507", http.StatusUnprocessableEntity,
		"The identity file cannot be used.", "Nøglefilen kan ikke bruges.",
		"Name a file that holds an age secret key and that only you can read.", "Angiv en fil med en hemmelig age-nøgle, som kun du kan læse.")
	FaultLedger = fault("POST-0508", http.StatusInternalServerError,
		"The ledger does not agree with what was published before.", "Loggen stemmer ikke med det, der tidligere er offentliggjort.",
		"Stop changing data and compare the database with a backup; nothing new is signed until they agree.",
		"Stop ændringer, og sammenlign databasen med en sikkerhedskopi. Intet nyt underskrives, før de stemmer.")
)

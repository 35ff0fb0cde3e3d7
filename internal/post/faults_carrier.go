package post

import "net/http"

// Faults of the carriers (POST-7nnn).
var (
	FaultMemoInvalid = fault("POST-7001", http.StatusUnprocessableEntity,
		"The letter cannot be written in Digital Post's format.", "Brevet kan ikke skrives i Digital Posts format.",
		"See which field is named; shorten the title or rename the file, and send the letter again.",
		"Se hvilket felt der nævnes; forkort titlen, eller omdøb filen, og send brevet igen.")
	FaultMemoTooLarge = fault("POST-7002", http.StatusRequestEntityTooLarge,
		"The documents are larger than Digital Post takes in one letter.", "Dokumenterne fylder mere, end Digital Post tager imod i ét brev.",
		"Keep the documents of one letter below 74 MB, or send two letters.",
		"Hold dokumenterne i ét brev under 74 MB, eller send to breve.")
	FaultNoSystem = fault("POST-7003", http.StatusInternalServerError,
		"This municipality has no sender system in Digital Post here.", "Kommunen har intet afsendersystem i Digital Post her.",
		"The operator adds the municipality's system id and token.",
		"Driften tilføjer kommunens system-id og nøgle.")
	FaultNoAddress = fault("POST-7101", http.StatusUnprocessableEntity,
		"The recipient has no postal address that a letter could reach.", "Modtageren har ingen postadresse, som et brev kan nå.",
		"Find the address, or hand the letter over in another way.",
		"Find adressen, eller aflever brevet på anden vis.")
	FaultNotPrintable = fault("POST-7102", http.StatusUnprocessableEntity,
		"A document cannot be printed.", "Et dokument kan ikke printes.",
		"Replace the document by a PDF that opens without a password.",
		"Erstat dokumentet med en PDF, der kan åbnes uden adgangskode.")
	FaultPrintTooLarge = fault("POST-7103", http.StatusRequestEntityTooLarge,
		"The documents are larger than the print house takes in one letter.", "Dokumenterne fylder mere, end printhuset tager imod i ét brev.",
		"Keep the documents of one paper letter below 40 MB.",
		"Hold dokumenterne i ét papirbrev under 40 MB.")
	FaultNotLoopback = fault("POST-7201", http.StatusForbidden,
		"The simulators listen on this machine only.", "Simulatorerne lytter kun på denne maskine.",
		"Use a loopback address, such as 127.0.0.1 or ::1.",
		"Brug en loopback-adresse, f.eks. 127.0.0.1 eller ::1.")
)

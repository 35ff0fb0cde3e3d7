package post

import "net/http"

// Faults of KOMBIT's Postkomponent (POST-75nn).
var (
	FaultNoKombiSystem = fault("POST-7501", http.StatusInternalServerError,
		"This municipality has no user system at KOMBIT here.", "Kommunen har intet anvendersystem hos KOMBIT her.",
		"The operator adds the municipality's CVR number and system certificate.",
		"Driften tilføjer kommunens CVR-nummer og systemcertifikat.")
	FaultAddressForm = fault("POST-7502", http.StatusUnprocessableEntity,
		"The postal address does not fit the lines that the print house prints.", "Postadressen passer ikke til de linjer, printleverandøren trykker.",
		"Write the address in at most six lines of 34 characters, with a known country last when it is not Danish.",
		"Skriv adressen på højst seks linjer med 34 tegn, og et kendt land til sidst, når den ikke er dansk.")
	FaultSMSForm = fault("POST-7503", http.StatusUnprocessableEntity,
		"A text message holds at most 150 characters and carries no documents.", "En NemSMS har højst 150 tegn og ingen dokumenter.",
		"Shorten the text and leave the documents out, or send a letter.",
		"Forkort teksten, og udelad dokumenterne, eller send et brev.")
	FaultShipment = fault("POST-7504", http.StatusUnprocessableEntity,
		"The letter cannot be written as a shipment for the print house.", "Brevet kan ikke skrives som en forsendelse til printleverandøren.",
		"See which field is named; shorten it or remove the characters that cannot be printed.",
		"Se hvilket felt der nævnes; forkort det, eller fjern de tegn, der ikke kan trykkes.")
	FaultChoice = fault("POST-7505", http.StatusInternalServerError,
		"The letter's channel and the way chosen at KOMBIT do not go together.", "Brevets kanal og valget hos KOMBIT passer ikke sammen.",
		"The operator corrects which channel is sent through which choice; docs/kombipost.md has the table.",
		"Driften retter, hvilken kanal der sendes med hvilket valg; docs/kombipost.md har tabellen.")
	FaultPaperTooLarge = fault("POST-7506", http.StatusRequestEntityTooLarge,
		"The documents are larger than KOMBIT takes in one paper letter.", "Dokumenterne fylder mere, end KOMBIT tager imod i ét papirbrev.",
		"Keep the documents of one paper letter below 7 MB, or what is agreed with KOMBIT (paper_limit), or send two letters.",
		"Hold dokumenterne i ét papirbrev under 7 MB eller det, der er aftalt med KOMBIT (paper_limit), eller send to breve.")
)

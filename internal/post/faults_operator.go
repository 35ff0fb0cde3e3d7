package post

import "net/http"

// Faults of what operators do (POST-714n).
var (
	FaultReceiptNotParked = fault("POST-7141", http.StatusConflict,
		"The receipt does not wait for a person: it was settled, or is being judged.",
		"Kvitteringen venter ikke på et menneske: den er afgjort eller ved at blive bedømt.",
		"See postctl receipts show; a receipt that has moved its letter is never taken back.",
		"Se postctl receipts show; en kvittering, der har flyttet sit brev, tages aldrig tilbage.")
	FaultReceiptGone = fault("POST-7142", http.StatusConflict,
		"The receipt could not be read when it came, and its own form was purged since.",
		"Kvitteringen kunne ikke læses, da den kom, og dens egen form er slettet siden.",
		"Ask the carrier how the letter stands, decide about the letter, and close the receipt.",
		"Spørg forsyningen, hvordan brevet står, afgør brevet, og luk kvitteringen.")
	FaultReceiptCode = fault("POST-7143", http.StatusUnprocessableEntity,
		"No parked receipt has that code.",
		"Ingen parkeret kvittering har den kode.",
		"postctl receipts parked shows the codes that there are.",
		"postctl receipts parked viser de koder, der er.")
	FaultMailNotParked = fault("POST-7144", http.StatusConflict,
		"The message does not wait for a person.",
		"Meddelelsen venter ikke på et menneske.",
		"postctl mail parked shows those that do.",
		"postctl mail parked viser dem, der gør.")
	FaultCarrierUnknown = fault("POST-7146", http.StatusUnprocessableEntity,
		"There is no carrier of that name.",
		"Der er ingen forsyning med det navn.",
		"Name digitalpost, printhouse or kombipost.",
		"Angiv digitalpost, printhouse eller kombipost.")
	FaultTracesMany = fault("POST-7145", http.StatusServiceUnavailable,
		"Too many questions to carriers wait for their answers.",
		"For mange spørgsmål til forsyninger venter på svar.",
		"Wait a minute; when it stays so, see that a dispatcher runs.",
		"Vent et minut; bliver det ved, så se efter, at en dispatcher kører.")
)

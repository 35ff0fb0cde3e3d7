package post

import "net/http"

// Faults of batches that come in parts (POST-6nnn, continued).
var (
	FaultBatchPart = fault("POST-6012", http.StatusUnprocessableEntity,
		"A part holds 1,000 lines; only the last one may hold fewer, and none may lie beyond the lines announced.",
		"En del indeholder 1.000 linjer; kun den sidste må have færre, og ingen må ligge ud over de anmeldte linjer.",
		"Cut the lines into parts of 1,000, numbered from 1, and send each part whole.",
		"Del linjerne i dele på 1.000, nummereret fra 1, og send hver del samlet.")
	FaultBatchPartChanged = fault("POST-6013", http.StatusConflict,
		"This part was sent before with other lines.", "Denne del er tidligere sendt med andre linjer.",
		"Send the part as it was first, or use a new key for a new batch.",
		"Send delen, som den var første gang, eller brug en ny nøgle til en ny forsendelse.")
	FaultBatchPolicy = fault("POST-6014", http.StatusUnprocessableEntity,
		"The signing policy is neither letter nor batch, or the canary is larger than the batch.",
		"Signeringsformen er hverken letter eller batch, eller prøveportionen er større end forsendelsen.",
		"Choose letter or batch, and a canary of at most the number of lines.",
		"Vælg letter eller batch og en prøveportion på højst antallet af linjer.")
)

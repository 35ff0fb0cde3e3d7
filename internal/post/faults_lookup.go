package post

import "net/http"

// Faults of look-ups for a plan (POST-603n).
var (
	FaultLookUpState = fault("POST-6031", http.StatusConflict,
		"Only a batch that is closed and not approved yet can be looked up.",
		"Kun en forsendelse, der er lukket og endnu ikke godkendt, kan slås op.",
		"Send the whole batch first; once it is approved, show it instead: each letter says its channel.",
		"Send først hele forsendelsen; når den er godkendt, så vis den i stedet: hvert brev siger sin kanal.")
	FaultLookUpsMany = fault("POST-6032", http.StatusServiceUnavailable,
		"Too many batches are being looked up.",
		"For mange forsendelser bliver slået op.",
		"Wait some minutes; when it stays so, see that a dispatcher runs.",
		"Vent nogle minutter; bliver det ved, så se efter, at en dispatcher kører.")
	FaultLookUpNone = fault("POST-6033", http.StatusNotFound,
		"There is no look-up of this batch: none was asked for, or its hour is over.",
		"Der er intet opslag for denne forsendelse: ingen har bedt om det, eller dets time er gået.",
		"Ask for one.",
		"Bed om et.")
)

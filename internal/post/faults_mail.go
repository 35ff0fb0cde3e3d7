package post

import "net/http"

// Faults of parked mail (POST-713n).
var (
	FaultMailNotWhole = fault("POST-7131", http.StatusConflict,
		"The message cannot be tried again: only its beginning is kept, or another message came under the same id.",
		"Meddelelsen kan ikke prøves igen: kun dens begyndelse er gemt, eller en anden meddelelse kom med samme id.",
		"Ask the sender for another; the carrier still has what was too large.",
		"Bed afsenderen om en ny; det, der var for stort, ligger stadig hos forsyningen.")
	FaultMailNotFiled = fault("POST-7132", http.StatusConflict,
		"Only a message whose one fault is an unknown contact point can be filed.",
		"Kun en meddelelse, hvis eneste fejl er et ukendt kontaktpunkt, kan lægges i en indbakke.",
		"Do what docs/carriers.md says of the message's code; then postctl mail retry.",
		"Gør det, docs/carriers.md siger om meddelelsens kode; derefter postctl mail retry.")
	FaultMailInbox = fault("POST-7133", http.StatusUnprocessableEntity,
		"The inbox is not that of the municipality whose system got the message.",
		"Indbakken er ikke den, der hører til kommunen, hvis system fik meddelelsen.",
		"Name the inbox of the message's own municipality, as its configuration has it.",
		"Angiv indbakken for meddelelsens egen kommune, som den står i konfigurationen.")
)

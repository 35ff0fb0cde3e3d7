package post

import "net/http"

// Faults of registered letters (POST-2nnn and of tables, continued).
var (
	FaultRegistered = fault("POST-2025", http.StatusUnprocessableEntity,
		"The letter asks for registered post, which the municipality's carrier of paper does not offer.",
		"Brevet skal sendes rekommanderet, og det tilbyder den, der sender kommunens papirbreve, ikke.",
		"Send it as an ordinary letter, or have the operator declare registered post for the municipality once its print house offers it.",
		"Send det som almindeligt brev, eller lad driften angive rekommanderet post for kommunen, når printhuset tilbyder det.")
	FaultTableRegistered = fault("POST-4307", http.StatusUnprocessableEntity,
		"The line does not say clearly whether the letter goes by registered post.",
		"Linjen siger ikke klart, om brevet skal sendes rekommanderet.",
		"Write yes or no in the column registered, or leave it empty for no.",
		"Skriv ja eller nej i kolonnen rekommanderet, eller lad den stå tom for nej.")
)

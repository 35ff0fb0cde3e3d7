package post

import "net/http"

// Faults of envelopes that came back (POST-712n).
var (
	FaultReturnCode = fault("POST-7121", http.StatusUnprocessableEntity,
		"The code is neither a reference, nor a tracking number, nor a print job.", "Koden er hverken en reference, et forsendelsesnummer eller et printjob.",
		"Scan the code on the letter again, or type the reference that begins with SP.",
		"Scan koden på brevet igen, eller indtast referencen, der begynder med SP.")
	FaultReturnUnknown = fault("POST-7122", http.StatusNotFound,
		"No letter on paper bears this code.", "Intet papirbrev har denne kode.",
		"Check that the letter is one of your own municipality; scan the code on the letter itself.",
		"Tjek, at brevet er fra din egen kommune; scan koden på selve brevet.")
	FaultReturnWhich = fault("POST-7123", http.StatusConflict,
		"The letter was sent more than once on paper, and the code does not say which one came back.",
		"Brevet er sendt på papir mere end én gang, og koden siger ikke, hvilket der kom retur.",
		"Add the number of the sending after a slash, as in SP-7K3Q-92MD/2, or scan the tracking number.",
		"Tilføj forsendelsens nummer efter en skråstreg, som i SP-7K3Q-92MD/2, eller scan forsendelsesnummeret.")
	FaultReturnState = fault("POST-7124", http.StatusConflict,
		"The letter cannot have come back as it stands.", "Brevet kan ikke være kommet retur, som det står nu.",
		"Look at the letter with postctl letter explain; if the envelope is real, tell the operator.",
		"Se brevet med postctl letter explain; er kuverten ægte, så giv driften besked.")
	FaultReturnReason = fault("POST-7125", http.StatusUnprocessableEntity,
		"The reason is not one of those that a postal company gives.", "Årsagen er ikke en af dem, et postfirma angiver.",
		"Choose one of the reasons in docs/paper.md, such as moved or recipient-unknown.",
		"Vælg en af årsagerne i docs/paper.md, f.eks. moved eller recipient-unknown.")
)

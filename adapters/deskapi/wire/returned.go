package wire

// ReturnedMail is an envelope that came back to the town hall.
type ReturnedMail struct {
	Code   string `json:"code" maxLength:"64" doc:"as scanned: the reference (from the second sending on with its number, SP-7K3Q-92MD/2), the tracking number, or the print job's id"`
	Reason string `json:"reason" enum:"address-inadequate,name-not-on-box,moved,recipient-unknown,place-not-found,mailbox,vacant,no-access,other-distributor,refused,deceased,other"`
}

// ReturnedLetter is the letter that came back.
type ReturnedLetter struct {
	ID         string `json:"id"`
	Reference  string `json:"reference"`
	Generation int    `json:"generation" doc:"which sending came back, from 1"`
	State      string `json:"state"`
	Repeated   bool   `json:"repeated" doc:"it was known already; nothing has changed"`
}

package wire

// Times are the rules by which the days and the cost of a municipality's letters
// are reckoned before they are sent. They are expectations, not promises.
type Times struct {
	Tenant       string  `json:"tenant"`
	Carrier      string  `json:"carrier" doc:"who will carry what goes on paper from now on"`
	Cutoff       string  `json:"cutoff" doc:"Danish time until which a letter on paper counts to the working day"`
	ProduceDays  int     `json:"produce_days" doc:"working days from the hand-over until it is given to the post"`
	PaperDays    int     `json:"paper_days" doc:"working days from the hand-over until it arrives on paper, produce_days included"`
	DigitalDays  int     `json:"digital_days" doc:"working days from the hand-over to the mailbox; 0 is the same day"`
	PersonDays   int     `json:"person_days" doc:"working days that somebody may take to decide"`
	Preflight    string  `json:"preflight" enum:"off,structure,pages" doc:"how closely documents are looked at before they are printed"`
	Registered   bool    `json:"registered" doc:"the carrier offers registered post (rekommanderet)"`
	Digital      float64 `json:"cost_digital,omitempty" doc:"DKK for one letter; absent when not known"`
	Paper        float64 `json:"cost_paper,omitempty"`
	ByRegistered float64 `json:"cost_registered,omitempty"`
}

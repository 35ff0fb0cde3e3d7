// Package persona holds the invented people, companies and municipalities of
// the simulators and the demo. Nobody here exists: every CPR number is in
// replacement form (day + 60), which is never issued to a living person with
// that date. No serving program links this package.
package persona

import "sikkerpost.dk/gateway/internal/post"

// A Persona is somebody to log in as, and somebody who has (or lacks) a
// Digital Post box.
type Persona struct {
	Key   string // stable, used in URLs of the simulators: "nancy"
	Name  string
	CPR   string // ten digits, or "" for a pure company
	CVR   string // of the company acted for, or ""
	Org   string // company name, when CVR is set
	Story string // one line: why this persona is here
	// Registration is Digital Post's publicRegistrationStatus: REGISTERED,
	// EXEMPT, CLOSED or UNKNOWN.
	Registration string
	// Level is the NSIS level of the login: Low, Substantial or High; "" means
	// that this persona never logs in.
	Level string
	// Grantor is the CPR number of somebody who gave power of attorney (fuldmagt).
	Grantor string
	// Protected marks an address that nobody may see (adressebeskyttelse).
	Protected bool
	Address   []string
	UUID      string // the person part of NameID
}

// All returns every persona, in the order of the log-in page.
func All() []Persona {
	return []Persona{
		{Key: "nancy", Name: "Nancy Ann Berggren", CPR: "6503851236", Registration: "REGISTERED", Level: "Substantial",
			Story: "An ordinary citizen with Digital Post", Address: []string{"Kirsebærvej 4", "2690 Engdal"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a01"},
		{Key: "poul", Name: "Poul Ravn Holmgaard", CPR: "7104521145", Registration: "EXEMPT", Level: "Substantial",
			Story: "Exempt from Digital Post: gets paper", Address: []string{"Møllestien 12, 1. tv", "2690 Engdal"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a02"},
		{Key: "aisha", Name: "Aisha Lund Karimi", CPR: "6809902244", Registration: "REGISTERED", Level: "High", Protected: true,
			Story: "Has a protected address", Address: []string{"Adressebeskyttet"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a03"},
		{Key: "bo", Name: "Bo Emil Dahlgaard", CPR: "6206125573", Registration: "UNKNOWN", Level: "Substantial",
			Story: "Under 15: not in Digital Post yet", Address: []string{"Skovbakken 31", "2760 Fjordby"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a04"},
		{Key: "mette", Name: "Mette Juul Sandberg", CPR: "7711683328", Registration: "REGISTERED", Level: "Low",
			Story: "MitID at level Low: must be refused", Address: []string{"Havnegade 7", "2760 Fjordby"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a05"},
		{Key: "jens", Name: "Jens Otto Vestergaard", CPR: "6402743317", Registration: "REGISTERED", Level: "Substantial", Grantor: "7104521145",
			Story: "Acts for Poul with power of attorney", Address: []string{"Møllestien 14", "2690 Engdal"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a06"},
		{Key: "firma", Name: "Karla Winther Bech", CPR: "7305794480", CVR: "11223491", Org: "Bech Tagdækning ApS", Registration: "REGISTERED", Level: "Substantial",
			Story: "Logs in for a company (MitID Erhverv)", Address: []string{"Industrivej 9", "2780 Lyngsø"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a07"},
		{Key: "ukendt", Name: "Ukendt Modtager", CPR: "6108704419", Registration: "UNKNOWN",
			Story: "The look-up never gives a clear answer", Address: []string{"Ukendt"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a08"},
		{Key: "lukket", Name: "Lukket Bo Efter Afdød", CPR: "8201401128", Registration: "CLOSED",
			Story: "Dead: the mailbox is closed", Address: []string{"Kirkevej 1", "2690 Engdal"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a09"},
		{Key: "erna", Name: "Erna Kjær Mortensen", CPR: "6201332268", Registration: "EXEMPT", Level: "Substantial",
			Story: "Exempt; her letter comes back in the story", Address: []string{"Birkevænget 22", "2780 Lyngsø"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a10"},
		{Key: "viggo", Name: "Viggo Storm Elkjær", CPR: "7009294413", Registration: "EXEMPT", Level: "Substantial",
			Story: "Exempt; his letter is delivered with proof in the story", Address: []string{"Strandvejen 118", "2790 Havnsted"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a11"},
		{Key: "tove", Name: "Tove Marie Agerskov", CPR: "6607551192", Registration: "REGISTERED", Level: "Substantial",
			Story: "Another ordinary citizen", Address: []string{"Agervej 3", "2790 Havnsted"},
			UUID: "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a12"},
	}
}

// By returns the persona with key.
func By(key string) (Persona, bool) {
	for _, p := range All() {
		if p.Key == key {
			return p, true
		}
	}
	return Persona{}, false
}

// Tenants returns the four invented municipalities of the demo. One DPO office
// serves them all.
func Tenants() []post.Tenant {
	return []post.Tenant{
		{ID: "engdal", Name: "Engdal Kommune", CVR: "29000011", Inbox: "dpo-faelles", ContactPoint: "a1000000-0001-350c-0000-000000000440", DPOContactPoint: "a1000000-0001-350c-0000-000000000441", Phone: "+45 00 00 00 01"},
		{ID: "fjordby", Name: "Fjordby Kommune", CVR: "29000022", Inbox: "dpo-faelles", ContactPoint: "a1000000-0002-350c-0000-000000000440", DPOContactPoint: "a1000000-0002-350c-0000-000000000441", Phone: "+45 00 00 00 02"},
		{ID: "lyngsoe", Name: "Lyngsø Kommune", CVR: "29000033", Inbox: "dpo-faelles", ContactPoint: "a1000000-0003-350c-0000-000000000440", DPOContactPoint: "a1000000-0003-350c-0000-000000000441", Phone: "+45 00 00 00 03"},
		{ID: "havnsted", Name: "Havnsted Kommune", CVR: "29000044", Inbox: "dpo-faelles", ContactPoint: "a1000000-0004-350c-0000-000000000440", DPOContactPoint: "a1000000-0004-350c-0000-000000000441", Phone: "+45 00 00 00 04"},
	}
}

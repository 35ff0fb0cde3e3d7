package wire

// Documents says what became of documents that came many at a time.
type Documents struct {
	Stored  int           `json:"stored" doc:"durable now"`
	Known   int           `json:"known" doc:"here before; nothing changed"`
	Refused int           `json:"refused" doc:"not kept"`
	Items   []DocumentPut `json:"items" doc:"one for each file, in their order"`
}

// DocumentPut is what became of one document.
type DocumentPut struct {
	N       int    `json:"n" doc:"its place among the files, from 1"`
	SHA256  string `json:"sha256,omitempty" doc:"its name, when that was a digest"`
	State   string `json:"state" enum:"stored,known,refused"`
	Code    string `json:"code,omitempty" doc:"why it was refused: stable, POST-nnnn"`
	Message string `json:"message,omitempty"`
	Cure    string `json:"cure,omitempty"`
}

package poppler

// ReadWords is for the fuzz target.
var ReadWords = readWords

package post

import "net/http"

// Faults of documents that come many at a time (POST-6021 and following).
var (
	FaultDocumentsForm = fault("POST-6021", http.StatusBadRequest,
		"The documents do not come as one whole tar archive of plain files.",
		"Dokumenterne kommer ikke som ét helt tar-arkiv af almindelige filer.",
		"Send an uncompressed tar archive in which each file is named by the SHA-256 of its bytes; what has arrived whole need not be sent again.",
		"Send et ukomprimeret tar-arkiv, hvor hver fil hedder SHA-256 af sit indhold; det, der er kommet helt frem, skal ikke sendes igen.")
	FaultDocumentsMany = fault("POST-6022", http.StatusRequestEntityTooLarge,
		"More than 500 documents came in one request.", "Der kom mere end 500 dokumenter i én anmodning.",
		"Send at most 500 documents at a time; the first 500 need not be sent again.",
		"Send højst 500 dokumenter ad gangen; de første 500 skal ikke sendes igen.")
	FaultDocumentName256 = fault("POST-6023", http.StatusUnprocessableEntity,
		"The file in the archive is not named by the SHA-256 of its bytes.",
		"Filen i arkivet er ikke navngivet med SHA-256 af sit indhold.",
		"Name it by 64 lower-case hexadecimal digits and nothing else.",
		"Giv den et navn på 64 hexadecimale cifre med små bogstaver og intet andet.")
)

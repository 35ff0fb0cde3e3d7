package post

import "net/http"

// Faults of configuration and assets (POST-09nn). They never travel over HTTP;
// programs end with exit code 78.
var (
	FaultConfig = fault("POST-0901", http.StatusInternalServerError,
		"The configuration file is wrong.", "Konfigurationsfilen er forkert.",
		"Correct every line that is listed; nothing was started.",
		"Ret hver linje på listen; intet er startet.")
	FaultKeyFile = fault("POST-0902", http.StatusInternalServerError,
		"A key or certificate file cannot be used.", "En nøgle- eller certifikatfil kan ikke bruges.",
		"Check that the file exists, that it holds what is named, and that only the program may read it.",
		"Tjek, at filen findes, at den indeholder det nævnte, og at kun programmet kan læse den.")
	FaultIssuerCert = fault("POST-0903", http.StatusInternalServerError,
		"The certificate of an authority stands where certificates that sign letters belong.",
		"En udsteders certifikat står, hvor der skal stå certifikater, som breve er underskrevet med.",
		"Take it out: name each certificate that letters were signed with itself; who issued them is not asked.",
		"Tag det ud: nævn selve de certifikater, som breve er underskrevet med; hvem der udstedte dem, har ingen betydning.")
	FaultDatabaseOlder = fault("POST-0904", http.StatusInternalServerError,
		"The database does not extend what was published of its ledger.",
		"Databasen forlænger ikke det, der er offentliggjort af dens log.",
		"It is older than that, as after a restore: follow \"After a restore\" in docs/operations.md. Until then nothing is handed over and no receipt is fetched.",
		"Den er ældre, som efter en gendannelse: følg \"After a restore\" i docs/operations.md. Indtil da afleveres intet, og ingen kvittering hentes.")
)

package post

import "net/http"

// Faults of desk and its clients (POST-4nnn): who asks (40), how it is asked
// (41), inquiries in an inbox (42).
var (
	FaultClientCertificate = fault("POST-4001", http.StatusForbidden,
		"The client certificate is missing, has expired, or was not issued by an authority trusted here.",
		"Klientcertifikatet mangler, er udløbet eller er ikke udstedt af nogen, vi har tillid til.",
		"Use the certificate that was issued for this installation, and check its dates.",
		"Brug det certifikat, der er udstedt til denne installation, og tjek datoerne.")
	FaultClientUnknown = fault("POST-4002", http.StatusForbidden,
		"This client certificate is not registered here.", "Klientcertifikatet er ikke registreret her.",
		"Ask the operator to register the certificate's SHA-256 fingerprint.",
		"Bed driften om at registrere certifikatets SHA-256-fingeraftryk.")
	FaultRole = fault("POST-4003", http.StatusForbidden,
		"This client may not do that.", "Klienten må ikke gøre dette.",
		"Use a client whose role allows it; docs/api.md shows which.",
		"Brug en klient med den rette rolle; docs/api.md viser hvilken.")
	FaultTenantNotYours = fault("POST-4004", http.StatusForbidden,
		"This client may not act for that municipality.", "Klienten må ikke handle for den kommune.",
		"Leave the municipality out, or use that municipality's own client.",
		"Udelad kommunen, eller brug kommunens egen klient.")
	FaultRequestForm = fault("POST-4101", http.StatusUnprocessableEntity,
		"The request does not have the form that the API describes.", "Forespørgslen har ikke den form, som API'et beskriver.",
		"Correct every place listed; /openapi.json describes the form. Unknown members are refused.",
		"Ret alle de nævnte steder; /openapi.json beskriver formen. Ukendte felter afvises.")
	FaultRequestUnreadable = fault("POST-4102", http.StatusBadRequest,
		"The request cannot be read.", "Forespørgslen kan ikke læses.",
		"Send one complete JSON object or multipart form, as /openapi.json describes.",
		"Send ét helt JSON-objekt eller én multipart-formular, som /openapi.json beskriver.")
	FaultBodyTooLarge = fault("POST-4103", http.StatusRequestEntityTooLarge,
		"The request is larger than what is taken here.", "Forespørgslen er større, end vi tager imod.",
		"Make the documents smaller; a letter may hold 70 MB in all.",
		"Gør dokumenterne mindre; et brev må fylde 70 MB i alt.")
	FaultMediaType = fault("POST-4104", http.StatusUnsupportedMediaType,
		"The request is not of the media type that this operation takes.", "Forespørgslen har ikke den medietype, handlingen kræver.",
		"Set Content-Type as /openapi.json says.", "Sæt Content-Type, som /openapi.json angiver.")
	FaultVerb = fault("POST-4105", http.StatusMethodNotAllowed,
		"This address does not take that method.", "Adressen tager ikke den metode.",
		"See /openapi.json for what each address takes.", "Se i /openapi.json, hvad hver adresse tager.")
	FaultKeyMissing = fault("POST-4111", http.StatusBadRequest,
		"A write needs an Idempotency-Key.", "En skrivning kræver en Idempotency-Key.",
		"Send a header Idempotency-Key of 1 to 200 visible characters, new for each write and the same for each retry.",
		"Send en header Idempotency-Key på 1 til 200 synlige tegn: ny for hver skrivning, den samme ved gentagelse.")
	FaultKeyReused = fault("POST-4112", http.StatusUnprocessableEntity,
		"This Idempotency-Key was used for another request.", "Denne Idempotency-Key er brugt til en anden forespørgsel.",
		"Use a new key for a new request.", "Brug en ny nøgle til en ny forespørgsel.")
	FaultKeyBusy = fault("POST-4113", http.StatusConflict,
		"A request with this Idempotency-Key is still being worked on.", "En forespørgsel med denne Idempotency-Key er stadig i gang.",
		"Send the same request again in a few seconds.", "Send den samme forespørgsel igen om et par sekunder.")
	FaultFilesDiffer = fault("POST-4121", http.StatusUnprocessableEntity,
		"The files do not match the list of documents.", "Filerne passer ikke til listen over dokumenter.",
		"Send one file for each document, in the order of the list, after the JSON part.",
		"Send én fil for hvert dokument i listens rækkefølge efter JSON-delen.")

	FaultSeveral = fault("POST-4131", http.StatusUnprocessableEntity,
		"Several things are wrong; nothing was taken.", "Flere ting er forkerte; intet er modtaget.",
		"Correct every place listed and send it again.", "Ret alle de nævnte steder, og send igen.")

	FaultInquiryHeld = fault("POST-4201", http.StatusConflict,
		"Somebody else has this inquiry open.", "En anden har henvendelsen åben.",
		"Wait until the lease ends, or take another inquiry.", "Vent, til lejemålet udløber, eller tag en anden henvendelse.")
	FaultInquirySettled = fault("POST-4202", http.StatusConflict,
		"This inquiry has already been settled.", "Henvendelsen er allerede taget imod eller afvist.",
		"Nothing is left to lease or acknowledge; you may reply if it was acknowledged.",
		"Der er ikke mere at åbne eller kvittere for; er den modtaget, kan du svare på den.")
	FaultLeaseOver = fault("POST-4203", http.StatusConflict,
		"The lease is over, or it is not yours.", "Lejemålet er udløbet, eller det er ikke dit.",
		"Lease the inquiry again; nothing was changed.", "Lej henvendelsen igen; intet er ændret.")
	FaultDigest = fault("POST-4204", http.StatusConflict,
		"The digest is not that of the content that was accepted.", "Kontrolsummen passer ikke til det indhold, vi tog imod.",
		"Download and open the content again; if the digest still differs, do not rely on it and call the operator.",
		"Hent og åbn indholdet igen; er kontrolsummen stadig forkert, så stol ikke på indholdet, og kontakt driften.")
	FaultReason = fault("POST-4205", http.StatusUnprocessableEntity,
		"A rejection needs a reason from the list, and nothing else has one.", "En afvisning kræver en årsag fra listen, og intet andet har en årsag.",
		"Give not-for-us, not-understood, duplicate, unreadable or abuse.",
		"Angiv not-for-us, not-understood, duplicate, unreadable eller abuse.")

	FaultTableForm = fault("POST-4301", http.StatusUnprocessableEntity,
		"The table cannot be read as CSV in UTF-8.", "Tabellen kan ikke læses som CSV i UTF-8.",
		"Save it as CSV (UTF-8) with commas or semicolons between the columns.",
		"Gem den som CSV (UTF-8) med komma eller semikolon mellem kolonnerne.")
	FaultTableColumn = fault("POST-4302", http.StatusUnprocessableEntity,
		"The first line does not name the columns that are needed, each once.", "Første linje angiver ikke de nødvendige kolonner, hver én gang.",
		"Name the columns key, id, name, address1 to address7, title, document and, if wanted, language, arrive_by and registered.",
		"Kald kolonnerne key, id, name, address1 til address7, title, document og eventuelt language, arrive_by og registered.")
	FaultTableLine = fault("POST-4303", http.StatusUnprocessableEntity,
		"The line has more or fewer columns than the first line.", "Linjen har flere eller færre kolonner end første linje.",
		"Put quotation marks around a value that holds the separator.", "Sæt anførselstegn om en værdi, der indeholder skilletegnet.")
	FaultTableDocument = fault("POST-4304", http.StatusUnprocessableEntity,
		"The line's document is not among the documents.", "Linjens dokument findes ikke blandt dokumenterne.",
		"Put the file into the folder given with -documents, or correct the name.",
		"Læg filen i den mappe, der er angivet med -documents, eller ret navnet.")
	FaultTableName = fault("POST-4305", http.StatusUnprocessableEntity,
		"The line has no name.", "Linjen mangler et navn.",
		"Write the recipient's name; a letter on paper needs it.", "Skriv modtagerens navn; et brev på papir kræver det.")
	FaultTableFormula = fault("POST-4306", http.StatusUnprocessableEntity,
		"A value begins like a formula, which a spreadsheet would run.", "En værdi begynder som en formel, som et regneark ville udføre.",
		"Remove the sign = + - or @ at its beginning.", "Fjern tegnet = + - eller @ i begyndelsen.")
)

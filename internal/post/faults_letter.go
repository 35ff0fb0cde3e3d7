package post

import "net/http"

// Faults of letters (POST-2nnn).
var (
	FaultLetterTitle = fault("POST-2001", http.StatusUnprocessableEntity,
		"The title is empty or longer than 256 characters, or holds control characters.",
		"Titlen er tom, længere end 256 tegn eller indeholder styretegn.",
		"Give a title of 1 to 256 ordinary characters.", "Angiv en titel på 1 til 256 almindelige tegn.")
	FaultLetterDocuments = fault("POST-2002", http.StatusUnprocessableEntity,
		"A letter has one main document and at most ten more.", "Et brev har ét hoveddokument og højst ti bilag.",
		"Send at least one document and at most eleven.", "Send mindst ét og højst elleve dokumenter.")
	FaultNotPDF = fault("POST-2003", http.StatusUnprocessableEntity,
		"The document is not a PDF file that can be read.", "Dokumentet er ikke en læsbar PDF-fil.",
		"Export the document as PDF again and send that file.", "Eksportér dokumentet som PDF igen, og send den fil.")
	FaultPDFEncrypted = fault("POST-2004", http.StatusUnprocessableEntity,
		"The PDF is protected by a password or by encryption.", "PDF-filen er beskyttet med adgangskode eller kryptering.",
		"Save it without protection and send it again.", "Gem den uden beskyttelse, og send den igen.")
	FaultPDFEmpty = fault("POST-2005", http.StatusUnprocessableEntity,
		"The PDF has no pages.", "PDF-filen har ingen sider.",
		"Send a PDF with at least one page.", "Send en PDF med mindst én side.")
	FaultDocumentSize = fault("POST-2006", http.StatusRequestEntityTooLarge,
		"The document is larger than 25 MB.", "Dokumentet er større end 25 MB.",
		"Make it smaller or divide it.", "Gør det mindre, eller del det op.")
	FaultLetterSize = fault("POST-2007", http.StatusRequestEntityTooLarge,
		"The documents of the letter are larger than 70 MB together.", "Brevets dokumenter fylder mere end 70 MB tilsammen.",
		"Make them smaller or send two letters.", "Gør dem mindre, eller send to breve.")
	FaultLetterRecipient = fault("POST-2008", http.StatusUnprocessableEntity,
		"A letter has exactly one recipient, or answers exactly one inquiry.", "Et brev har netop én modtager eller besvarer netop én henvendelse.",
		"Give either a recipient or an inquiry.", "Angiv enten en modtager eller en henvendelse.")
	FaultLetterKey = fault("POST-2009", http.StatusUnprocessableEntity,
		"The caller's own key of the letter is missing, longer than 200 characters, or not printable.",
		"Afsenderens egen nøgle for brevet mangler, er længere end 200 tegn eller kan ikke vises.",
		"Give each letter a key of its own that a repeated request repeats.", "Giv hvert brev sin egen nøgle, som en gentaget anmodning gentager.")
	FaultLetterKeyUsed = fault("POST-2010", http.StatusConflict,
		"The key was used before for a letter with other content.", "Nøglen er tidligere brugt til et brev med andet indhold.",
		"Use a new key for a new letter, or send exactly the first letter again.", "Brug en ny nøgle til et nyt brev, eller send præcis det første brev igen.")
	FaultNotAnswerable = fault("POST-2011", http.StatusConflict,
		"The inquiry cannot be answered in its present state.", "Henvendelsen kan ikke besvares i sin nuværende tilstand.",
		"Acknowledge the inquiry first.", "Kvittér først for henvendelsen.")
	FaultDocumentName = fault("POST-2012", http.StatusUnprocessableEntity,
		"The file name is empty, longer than 255 characters, or holds a path.", "Filnavnet er tomt, længere end 255 tegn eller indeholder en sti.",
		"Give a plain file name such as afgoerelse.pdf.", "Angiv et enkelt filnavn som afgoerelse.pdf.")
	FaultDocumentType = fault("POST-2013", http.StatusUnprocessableEntity,
		"Documents are PDF files in a language given by two letters.", "Dokumenter er PDF-filer med et sprog angivet med to bogstaver.",
		"Set the media type to application/pdf and the language to, for example, da.", "Angiv medietypen application/pdf og sproget, f.eks. da.")
	FaultNotBefore = fault("POST-2014", http.StatusUnprocessableEntity,
		"The earliest date is more than one year ahead.", "Den tidligste dato ligger mere end et år ude i fremtiden.",
		"Choose an earlier date.", "Vælg en tidligere dato.")
	FaultLetterState = fault("POST-2015", http.StatusConflict,
		"The letter's state does not allow this step.", "Brevets tilstand tillader ikke dette trin.",
		"Read the letter again and choose a step that fits its state.", "Hent brevet igen, og vælg et trin, der passer til tilstanden.")
	FaultMayBeDelivered = fault("POST-2016", http.StatusConflict,
		"The letter may already have been taken by a carrier; another channel could deliver it twice.",
		"Brevet kan allerede være modtaget af en kanal; en anden kanal kunne levere det to gange.",
		"Wait for the carrier's receipt; a letter that waits for a person can be retried on the same channel, unless its batch was stopped.",
		"Vent på kanalens kvittering. Et brev, der venter på en person, kan prøves igen på samme kanal, medmindre forsendelsen er stoppet.")
	FaultNoEvidence = fault("POST-2017", http.StatusConflict,
		"The letter is not signed yet, so there is no evidence of it.", "Brevet er endnu ikke signeret, så der er intet bevis for det.",
		"Ask again when it is signed; letters of a batch are not before the batch is approved.",
		"Prøv igen, når det er signeret; breve i en masseforsendelse bliver det først efter godkendelsen.")
	FaultAddressLines = fault("POST-2018", http.StatusUnprocessableEntity,
		"The postal address has more than seven lines, or a line longer than 100 characters.",
		"Postadressen har mere end syv linjer eller en linje på over 100 tegn.",
		"Shorten the address.", "Forkort adressen.")
	FaultDocumentChanged = fault("POST-2019", http.StatusUnprocessableEntity,
		"A document changed while it was being read.", "Et dokument ændrede sig, mens det blev læst.",
		"Send the letter again.", "Send brevet igen.")
	FaultEvidence = fault("POST-2020", http.StatusUnprocessableEntity,
		"The evidence file cannot be read, or does not vouch for the letter.", "Bevisfilen kan ikke læses eller bekræfter ikke brevet.",
		"Fetch the evidence again; if it still fails, treat the letter as not proven.", "Hent beviset igen. Fejler det stadig, så betragt brevet som ikke bevist.")
)

// Faults of batches (POST-6nnn).
var (
	FaultBatchSize = fault("POST-6001", http.StatusUnprocessableEntity,
		"A batch has at least one line; at most 10,000 in one piece and 100,000 in parts.", "En masseforsendelse har mindst én linje; højst 10.000 på én gang og 100.000 i dele.",
		"Write at least one line. Announce a large batch and send its lines in parts, or divide it.",
		"Skriv mindst én linje. Anmeld en stor forsendelse og send linjerne i dele, eller del den op.")
	FaultBatchKey = fault("POST-6002", http.StatusUnprocessableEntity,
		"The caller's own key of the batch is missing, longer than 200 characters, or not printable.",
		"Afsenderens egen nøgle for forsendelsen mangler, er længere end 200 tegn eller kan ikke vises.",
		"Give the batch a key that a repeated request repeats.", "Giv forsendelsen en nøgle, som en gentaget anmodning gentager.")
	FaultBatchKeyUsed = fault("POST-6003", http.StatusConflict,
		"The key was used before for a batch with other lines, or with another signing policy, canary or urgency.",
		"Nøglen er tidligere brugt til en forsendelse med andre linjer eller en anden signeringsform, prøveportion eller hast.",
		"Send exactly the same again, or give a new batch a new key, and each of its lines as well.",
		"Send præcis det samme igen, eller giv en ny forsendelse en ny nøgle, og hver af dens linjer også.")
	FaultLineKeyTwice = fault("POST-6004", http.StatusUnprocessableEntity,
		"Two lines of the batch have the same key.", "To linjer i forsendelsen har samme nøgle.",
		"Give each line a key of its own.", "Giv hver linje sin egen nøgle.")
	FaultLineDigest = fault("POST-6005", http.StatusUnprocessableEntity,
		"The line does not announce its document by a SHA-256 of 64 hexadecimal digits.",
		"Linjen angiver ikke sit dokument med en SHA-256 på 64 hexadecimale cifre.",
		"Add the digest of the PDF to the line.", "Tilføj PDF-filens fingeraftryk til linjen.")
	FaultDocumentUnannounced = fault("POST-6006", http.StatusUnprocessableEntity,
		"No line of the batch announces this document.", "Ingen linje i forsendelsen angiver dette dokument.",
		"Check the digest, or open the batch again with the right lines.", "Tjek fingeraftrykket, eller opret forsendelsen igen med de rigtige linjer.")
	FaultDocumentDigest = fault("POST-6007", http.StatusUnprocessableEntity,
		"The document's bytes do not match the digest announced.", "Dokumentets indhold passer ikke til det angivne fingeraftryk.",
		"Send the right file, or correct the line.", "Send den rigtige fil, eller ret linjen.")
	FaultDocumentsMissing = fault("POST-6008", http.StatusConflict,
		"Documents that the lines announce are missing.", "Der mangler dokumenter, som linjerne angiver.",
		"Send the missing documents, then close the batch again.", "Send de manglende dokumenter, og luk forsendelsen igen.")
	FaultSecondPerson = fault("POST-6009", http.StatusForbidden,
		"A batch is approved by somebody else than the one who submitted it.", "En forsendelse godkendes af en anden end den, der har indsendt den.",
		"Let another approver approve it.", "Lad en anden godkende den.")
	FaultBatchState = fault("POST-6010", http.StatusConflict,
		"The batch's state does not allow this step.", "Forsendelsens tilstand tillader ikke dette trin.",
		"Read the batch again and choose a step that fits its state: close it, then approve it, then pause, continue or stop it.",
		"Hent forsendelsen igen, og vælg et trin, der passer til dens tilstand: luk den, godkend den, og sæt den derefter på pause, fortsæt eller stop den.")
	FaultLineKeyUsed = fault("POST-6011", http.StatusConflict,
		"The line's key was used before for a letter with other content or outside this batch.",
		"Linjens nøgle er tidligere brugt til et brev med andet indhold eller uden for denne forsendelse.",
		"Take the line out if its letter was sent already; give a new letter a new key.",
		"Tag linjen ud, hvis dens brev allerede er sendt; giv et nyt brev en ny nøgle.")
)

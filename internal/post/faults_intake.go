package post

import "net/http"

// Faults of taking an inquiry (POST-3nnn).
var (
	FaultFilesTooLarge = fault("POST-3001", http.StatusRequestEntityTooLarge,
		"The files are too large; together they may take up 10 MB.", "Filerne er for store. De må fylde 10 MB i alt.",
		"Send fewer or smaller files.", "Send færre eller mindre filer.")
	FaultTooManyFiles = fault("POST-3002", http.StatusUnprocessableEntity,
		"There are too many files; you can attach 10.", "Der er for mange filer. Du kan vedhæfte 10.",
		"Remove some, or put several pages in one PDF.", "Fjern nogle, eller saml flere sider i én PDF.")
	FaultFileName = fault("POST-3003", http.StatusUnprocessableEntity,
		"The file's name is missing, too long, or holds signs we cannot use.", "Filens navn mangler, er for langt eller har tegn, vi ikke kan bruge.",
		"Give the file a short, plain name and try again.", "Giv filen et kort, enkelt navn, og prøv igen.")
	FaultFileEmpty = fault("POST-3004", http.StatusUnprocessableEntity,
		"The file is empty.", "Filen er tom.",
		"Choose the file again, or another one.", "Vælg filen igen, eller vælg en anden.")
	FaultFileType = fault("POST-3005", http.StatusUnprocessableEntity,
		"We cannot take this type of file.", "Vi kan ikke tage imod den type fil.",
		"Use PDF, JPG, PNG or plain text.", "Brug PDF, JPG, PNG eller ren tekst.")
	FaultFileMismatch = fault("POST-3006", http.StatusUnprocessableEntity,
		"The file is not what its name says.", "Filen er ikke det, som navnet siger.",
		"Open the file, save it as PDF, and attach that.", "Åbn filen, gem den som PDF, og vedhæft den.")
	FaultFileBroken = fault("POST-3007", http.StatusUnprocessableEntity,
		"The file is damaged.", "Filen er i stykker.",
		"Save or scan it again, and attach the new file.", "Gem eller scan den igen, og vedhæft den nye fil.")
	FaultFileLocked = fault("POST-3008", http.StatusUnprocessableEntity,
		"The PDF is protected with a password.", "PDF-filen er låst med en kode.",
		"Save it without a password and attach it again.", "Gem den uden kode, og vedhæft den igen.")
	FaultFileActive = fault("POST-3009", http.StatusUnprocessableEntity,
		"The PDF holds a program or other files inside.", "PDF-filen har et program eller andre filer i sig.",
		"Print it to a new PDF and attach that one.", "Udskriv den til en ny PDF, og vedhæft den.")
	FaultFilePixels = fault("POST-3010", http.StatusUnprocessableEntity,
		"The picture has too many pixels.", "Billedet har for mange pixels.",
		"Make the picture smaller and attach it again.", "Gør billedet mindre, og vedhæft det igen.")
	FaultFileTwoInOne = fault("POST-3011", http.StatusUnprocessableEntity,
		"Another file is hidden in the file.", "Der er gemt en anden fil i filen.",
		"Open the file, save it again, and attach the new file.", "Åbn filen, gem den igen, og vedhæft den nye fil.")
	FaultMalware = fault("POST-3012", http.StatusUnprocessableEntity,
		"The virus check refused the file.", "Viruskontrollen afviste filen.",
		"Leave the file out; have your device checked for viruses.", "Send ikke filen, og få din enhed tjekket for virus.")
	FaultScannerDown = fault("POST-3013", http.StatusServiceUnavailable,
		"We cannot check files for viruses right now; your draft is saved.", "Vi kan ikke tjekke filer for virus lige nu. Din kladde er gemt.",
		"Try again in a few minutes, or send without files.", "Prøv igen om et par minutter, eller send uden filer.")
	FaultUpload = fault("POST-3014", http.StatusBadRequest,
		"The upload was cut off or cannot be read.", "Filen nåede ikke helt frem.",
		"Choose the file and send it again.", "Vælg filen, og send den igen.")
	FaultDraftGone = fault("POST-3020", http.StatusConflict,
		"The draft is gone: it was sent or deleted, or is older than 24 hours.", "Kladden findes ikke mere. Den er sendt, slettet eller ældre end 24 timer.",
		"Look under My messages whether it was sent; if not, start a new one.", "Se under Mine henvendelser, om den er sendt. Ellers start en ny.")
	FaultNoRoad = fault("POST-3021", http.StatusUnprocessableEntity,
		"Choose who you want to write to.", "Vælg, hvem du vil skrive til.",
		"Choose one of the two.", "Vælg en af de to.")
	FaultNoTopic = fault("POST-3022", http.StatusUnprocessableEntity,
		"Choose what it is about.", "Vælg, hvad det handler om.",
		"Choose one topic from the list.", "Vælg et emne på listen.")
	FaultNoText = fault("POST-3023", http.StatusUnprocessableEntity,
		"Write your message.", "Skriv din besked.",
		"Write a few words in the box.", "Skriv et par ord i feltet.")
	FaultTextTooLong = fault("POST-3024", http.StatusUnprocessableEntity,
		"The message is longer than 4,000 characters.", "Beskeden er længere end 4.000 tegn.",
		"Shorten it, or put the rest in a file.", "Gør den kortere, eller skriv resten i en fil.")
	FaultNoSubject = fault("POST-3025", http.StatusUnprocessableEntity,
		"Write what it is about.", "Skriv, hvad det handler om.",
		"Write a few words.", "Skriv et par ord.")
	FaultSubjectTooLong = fault("POST-3026", http.StatusUnprocessableEntity,
		"The subject is longer than 120 characters.", "Emnet er længere end 120 tegn.",
		"Shorten it; there is room for more in the message.", "Gør det kortere. Der er plads til mere i beskeden.")
	FaultCrossSite = fault("POST-3030", http.StatusForbidden,
		"The form was sent from another website, so we did not take it.", "Formularen kom fra en anden hjemmeside, så vi tog ikke imod den.",
		"Open this site's front page and start from there.", "Åbn forsiden her, og begynd derfra.")
	FaultRequestTooLarge = fault("POST-3031", http.StatusRequestEntityTooLarge,
		"What you sent is too large; nothing of it was kept.", "Det, du sendte, er for stort. Vi har ikke gemt noget af det.",
		"Files may take up 10 MB in all; choose smaller ones.", "Filer må fylde 10 MB i alt. Vælg nogle mindre.")
	FaultBadForm = fault("POST-3032", http.StatusBadRequest,
		"We could not read the form.", "Vi kunne ikke læse formularen.",
		"Go back and send it again.", "Gå tilbage, og send den igen.")
	FaultMethod = fault("POST-3033", http.StatusMethodNotAllowed,
		"This page cannot be used in that way.", "Siden kan ikke bruges på den måde.",
		"Open the front page and start from there.", "Åbn forsiden, og begynd derfra.")
)

package post

import "net/http"

// Faults of letters on paper (POST-711n: preflight of the documents).
var (
	FaultPaperSize = fault("POST-7104", http.StatusUnprocessableEntity,
		"A page is not upright A4.", "En side er ikke stående A4.",
		"Export the document as A4 in portrait, without turned pages.",
		"Eksportér dokumentet som stående A4 uden roterede sider.")
	FaultPaperPages = fault("POST-7105", http.StatusUnprocessableEntity,
		"The letter has more pages than one envelope takes.", "Brevet har flere sider, end der kan være i én kuvert.",
		"Shorten the letter or send two.", "Forkort brevet, eller send to.")
	FaultPaperActive = fault("POST-7106", http.StatusUnprocessableEntity,
		"The PDF holds active content or attached files, which paper cannot show.",
		"PDF-filen indeholder aktivt indhold eller vedhæftede filer, som ikke kan vises på papir.",
		"Print the document to a plain PDF without scripts, forms and attachments.",
		"Udskriv dokumentet til en almindelig PDF uden scripts, formularer og vedhæftninger.")
	FaultPaperFont = fault("POST-7107", http.StatusUnprocessableEntity,
		"A font is not embedded, so the print house would print another.",
		"En skrifttype er ikke indlejret, så printhuset ville trykke med en anden.",
		"Export the PDF with all fonts embedded.", "Eksportér PDF-filen med alle skrifttyper indlejret.")
	FaultPaperZone = fault("POST-7108", http.StatusUnprocessableEntity,
		"Something is printed where the envelope or the print house needs white paper.",
		"Der er trykt noget, hvor kuverten eller printhuset skal bruge hvidt papir.",
		"Move it out of the place that is named; docs/paper.md has the measures.",
		"Flyt det væk fra det nævnte sted; målene står i docs/paper.md.")
	FaultPaperWindow = fault("POST-7109", http.StatusUnprocessableEntity,
		"The address in the envelope's window is not the recipient's.", "Adressen i kuvertens rude er ikke modtagerens.",
		"Print the recipient's name and address, line by line, in the address field of the first page.",
		"Skriv modtagerens navn og adresse linje for linje i adressefeltet på første side.")
	FaultPaperCPR = fault("POST-7110", http.StatusUnprocessableEntity,
		"A CPR number may become visible in the envelope's window.", "Et CPR-nummer kan blive synligt i kuvertens rude.",
		"Move the number at least 89 mm down the first page, or 115 mm to the right.",
		"Flyt nummeret mindst 89 mm ned på første side eller 115 mm mod højre.")
	FaultPaperBounds = fault("POST-7111", http.StatusUnprocessableEntity,
		"The document takes too long or too much memory to be shown as pages.",
		"Det tager for lang tid eller for meget hukommelse at vise dokumentet som sider.",
		"Print the document to a new, simpler PDF.", "Udskriv dokumentet til en ny og enklere PDF.")
	FaultNoRenderer = fault("POST-7112", http.StatusInternalServerError,
		"Pages are to be looked at before they are printed, and poppler is not installed.",
		"Sider skal ses efter, før de trykkes, og poppler er ikke installeret.",
		"The operator installs poppler-utils, or turns render off for the municipality.",
		"Driften installerer poppler-utils eller slår render fra for kommunen.")
)

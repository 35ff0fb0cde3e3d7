package portalweb

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"sikkerpost.dk/gateway/internal/post"
)

func catalogs(t *testing.T) map[string]catalog {
	t.Helper()
	all, err := readCatalogs()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

func TestBothLanguagesSayTheSameThings(t *testing.T) {
	all := catalogs(t)
	da, en := all["da"], all["en"]
	for key, text := range da {
		other, ok := en[key]
		if !ok {
			t.Errorf("%s is missing in English", key)
			continue
		}
		a, b := placeholder.FindAllString(text, -1), placeholder.FindAllString(other, -1)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(a, b) {
			t.Errorf("%s has %v in Danish and %v in English", key, a, b)
		}
	}
	for key := range en {
		if _, ok := da[key]; !ok {
			t.Errorf("%s is missing in Danish", key)
		}
	}
}

func TestEveryTextIsUsedAndEveryUsedTextIsThere(t *testing.T) {
	direct := regexp.MustCompile(`\bt "([^"]+)"|\.text\("([^"]+)"|(?:base|anonymous)\((?:r, )?"([^"]+)"\)`)
	family := regexp.MustCompile(`\(print "([^"]+)" \.[\w.]*( "[^"]+")?\)|text\("([^"]+\.)" ?\+`)
	files, err := filepath.Glob("page/*.html")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used, families := map[string]bool{}, map[string]bool{}
	for _, f := range append(files, sources...) {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range direct.FindAllStringSubmatch(string(data), -1) {
			if key := m[1] + m[2] + m[3]; !strings.HasSuffix(key, ".") {
				used[key] = true
			}
		}
		for _, m := range family.FindAllStringSubmatch(string(data), -1) {
			families[m[1]+m[3]] = true
		}
	}
	words := catalogs(t)["da"]
	for key := range used {
		if _, ok := words[key]; !ok {
			t.Errorf("%s is used and missing", key)
		}
	}
	for key := range words {
		inFamily := false
		for f := range families {
			inFamily = inFamily || strings.HasPrefix(key, f)
		}
		if !used[key] && !inFamily {
			t.Errorf("%s is never used", key)
		}
	}
}

func TestEveryKindAndStateHasWords(t *testing.T) {
	for lang, words := range catalogs(t) {
		for _, k := range append(post.InquiryKinds(), post.Mail) {
			for _, prefix := range []string{"kind.", "ask.", "hint."} {
				if prefix == "hint." && k == post.Mail {
					continue
				}
				if _, ok := words[prefix+string(k)]; !ok {
					t.Errorf("%s: %s%s is missing", lang, prefix, k)
				}
			}
		}
		for _, s := range []post.InquiryState{
			post.InquiryWaiting, post.InquiryLeased, post.InquiryAcknowledged, post.InquiryRejected, post.InquiryAnswered,
			post.InquiryForwarding, post.InquiryForwarded, post.InquiryClosed, post.InquiryPurged,
		} {
			if _, ok := words["status."+string(s)]; !ok {
				t.Errorf("%s: status.%s is missing", lang, s)
			}
		}
	}
}

func TestEveryStateOfAnAnswerHasWordsAndClaimsNoMoreThanIsKnown(t *testing.T) {
	known := map[string][]post.LetterState{ // what may be said only of these
		"letter.delivered": {post.LetterDelivered}, "letter.proven": {post.LetterProven},
		"letter.returned": {post.LetterReturned}, "letter.posted": {post.LetterPosted, post.LetterPresumed},
		"letter.exempt": {post.LetterRefused},
	}
	for lang, words := range catalogs(t) {
		for _, s := range post.LetterStates() {
			for _, ch := range []post.Channel{"", post.Digital, post.Physical} {
				key := "letter." + letterKey(s, ch)
				if words[key] == "" {
					t.Errorf("%s: %s on %q has no words (%s)", lang, s, ch, key)
				}
				if only, ok := known[key]; ok && !slices.Contains(only, s) {
					t.Errorf("%s of a letter that is %s", key, s)
				}
				if ch == post.Physical && (key == "letter.sent" || key == "letter.unsure") {
					t.Errorf("%s on paper: %s", s, key)
				}
			}
		}
	}
}

// lix is the Danish readability index: words per sentence plus the share of
// words longer than six letters, in percent.
func lix(text string) (score, count int) {
	long, sentences := 0, 0
	for word := range strings.FieldsSeq(text) {
		if strings.ContainsAny(word[len(word)-1:], ".:!?") {
			sentences++
		}
		letters := len(slices.DeleteFunc([]rune(word), func(r rune) bool { return !unicode.IsLetter(r) }))
		if letters == 0 {
			continue
		}
		count++
		if letters > 6 {
			long++
		}
	}
	if count == 0 {
		return 0, 0
	}
	return count/max(sentences, 1) + 100*long/count, count
}

func TestDanishTextsAreEasyToRead(t *testing.T) {
	texts := map[string]string{}
	for key, text := range catalogs(t)["da"] {
		texts[key] = text
	}
	for _, f := range post.Faults() {
		if f.Code >= "POST-3" && f.Code < "POST-4" {
			texts[f.Code] = f.Danish + " " + f.CureDA
		}
	}
	for key, text := range texts {
		if score, n := lix(text); n >= 20 && score > 35 {
			t.Errorf("%s has LIX %d over %d words: %s", key, score, n, text)
		}
		for _, word := range []string{"jf.", "såfremt", "pågældende", "ansøger", "herunder", "vedrørende"} {
			if slices.Contains(strings.Fields(strings.ToLower(text)), word) {
				t.Errorf("%s says %q", key, word)
			}
		}
	}
}

func TestLix(t *testing.T) {
	if score, n := lix("Hej du. Kommunen skriver."); score != 2+50 || n != 4 {
		t.Errorf("LIX %d over %d words", score, n)
	}
}

func TestFormats(t *testing.T) {
	at := time.Date(2026, 11, 22, 13, 30, 5, 0, time.UTC)
	for got, want := range map[string]string{
		date("da", at): "22. november 2026", date("en", at): "22 November 2026",
		clock("da", at): "kl.\u00a014.30", clock("en", at): "14:30", utc(at): "2026-11-22T13:30:05Z",
		size("da", 1536<<10): "1,5 MB", size("en", 10<<20): "10 MB", size("da", 2<<20): "2 MB", size("en", 1<<20-1): "1 MB", size("da", 14<<10): "14 kB", size("da", 7): "7 B",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCatalogRefusesATextTwice(t *testing.T) {
	for _, bad := range []string{"a = b\na = c", "no equals sign"} {
		if _, err := parseCatalog(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

package post_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/post"
)

// The values are golden: a letter in flight while a new version is installed
// must go out under the id that was committed before.
func TestDerivedIDsNeverChange(t *testing.T) {
	const letter = "0190c3a0-0000-7000-8000-000000000001"
	for _, tt := range []struct{ got, want string }{
		{post.DerivedID(letter, post.Digital, 1), "9c13e3e8-b718-4c5e-846f-d1f16633cb21"},
		{post.DerivedID(letter, post.Physical, 1), "1615f2e1-5b4d-4984-8c37-0f76c867a23f"},
		{post.DerivedID(letter, post.Digital, 2), "875143f1-339f-496f-9ab2-f9968a5ba9a8"},
		{string(post.ForwardedLetterID(letter)), "1ccac4ad-72b8-4e07-9b4d-ac3a92869fd6"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
		if !post.ValidUUID(tt.got) || tt.got[14] != '4' || !strings.ContainsRune("89ab", rune(tt.got[19])) {
			t.Errorf("%s is not shaped as version 4", tt.got)
		}
	}
}

func TestDerivedIDsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen := func(label string) (post.LetterID, post.Channel, int) {
			return post.LetterID(rapid.StringMatching(`[0-9a-f-]{1,36}`).Draw(t, label)),
				rapid.SampledFrom([]post.Channel{post.Digital, post.Physical}).Draw(t, label+" channel"),
				rapid.IntRange(0, 200).Draw(t, label+" generation")
		}
		l1, c1, g1 := gen("a")
		l2, c2, g2 := gen("b")
		same := l1 == l2 && c1 == c2 && g1 == g2
		if (post.DerivedID(l1, c1, g1) == post.DerivedID(l2, c2, g2)) != same {
			t.Fatalf("%v %v %v and %v %v %v", l1, c1, g1, l2, c2, g2)
		}
	})
}

func TestNewIDsSortByTheOrderInWhichTheyWereDrawn(t *testing.T) {
	ids := make([]string, 20_000)
	for i := range ids {
		ids[i] = post.NewID()
	}
	if !slices.IsSorted(ids) {
		t.Error("ids of one moment are out of order")
	}
}

func TestNewIDsAreValidAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		id := post.NewID()
		if !post.ValidUUID(id) || id[14] != '7' || seen[id] {
			t.Fatalf("%s is not a fresh version-7 UUID", id)
		}
		seen[id] = true
	}
}

func TestValidUUIDRefusesWhatIsNotOne(t *testing.T) {
	good := post.NewID()
	for _, bad := range []string{"", good[:35], good + "0", strings.Replace(good, "-", "x", 1), "../" + good[3:], "{" + good[1:35] + "}"} {
		if post.ValidUUID(bad) {
			t.Errorf("%q passes", bad)
		}
	}
}

func TestReferenceIsReadBackAsPeopleTypeIt(t *testing.T) {
	for range 1000 {
		ref := post.NewReference()
		for _, typed := range []string{ref, strings.ToLower(ref), strings.ReplaceAll(ref, "-", " "), ref[3:], ref[3:7] + ref[8:],
			strings.NewReplacer("1", "I", "0", "O").Replace(ref), strings.NewReplacer("1", "l").Replace(ref)} {
			if got, ok := post.ParseReference(typed); !ok || got != ref {
				t.Fatalf("%q typed as %q reads %q, %v", ref, typed, got, ok)
			}
		}
	}
}

func TestReferenceCatchesEverySingleWrongCharacter(t *testing.T) {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	for range 200 {
		ref := []byte(post.NewReference())
		for i := 3; i < len(ref); i++ {
			if ref[i] == '-' {
				continue
			}
			for _, c := range []byte(alphabet) {
				wrong := slices.Clone(ref)
				wrong[i] = c
				if _, ok := post.ParseReference(string(wrong)); ok != (c == ref[i]) {
					t.Fatalf("%s passes for %s", wrong, ref)
				}
			}
		}
	}
}

func FuzzParseReference(f *testing.F) {
	f.Add("SP-7K3Q-92MD")
	f.Add("sp 0000 0000")
	f.Add("\u017fP-0000-0000")
	f.Fuzz(func(t *testing.T, s string) {
		ref, ok := post.ParseReference(s)
		if !ok {
			return
		}
		if again, ok := post.ParseReference(ref); !ok || again != ref || len(ref) != 12 {
			t.Errorf("%q reads as %q, which reads as %q", s, ref, again)
		}
	})
}

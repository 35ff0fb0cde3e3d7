package internal_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// A wall says that files under from import nothing under to.
type wall struct {
	from   []string // folders; "" is everywhere
	to     []string // import paths; a leading "./" means this module
	except []string // folders under from that may
	tests  bool     // whether _test.go files may
	sims   bool     // whether simulators (folders named …test) may
	why    string
	plant  [2]string // a file and an import that must be reported
}

// thirdParty stands for every import whose first element has a dot and that is
// not ours.
const thirdParty = "(third party)"

var walls = []wall{
	{from: []string{"internal"}, to: []string{"./adapters", "./cmd"},
		why:   "the core does not know which systems it talks to",
		plant: [2]string{"internal/outbound/dispatch/x.go", "./adapters/digitalpost"}},
	{from: []string{"internal/post"}, to: []string{"./", thirdParty},
		why:   "words depend on nothing",
		plant: [2]string{"internal/post/x.go", "filippo.io/age"}, tests: true},
	{from: []string{"internal/vault"}, to: []string{"./internal/inbound", "./internal/outbound"},
		why:   "rooms meet in the vault; the vault knows neither",
		plant: [2]string{"internal/vault/seal/x.go", "./internal/inbound/intake"}},
	{from: []string{"internal/inbound"}, to: []string{"./internal/outbound"},
		why:   "rooms meet only in the vault and the queue",
		plant: [2]string{"internal/inbound/inbox/x.go", "./internal/outbound/letter"}},
	{from: []string{"internal/outbound"}, to: []string{"./internal/inbound"},
		why:   "rooms meet only in the vault and the queue",
		plant: [2]string{"internal/outbound/letter/x.go", "./internal/inbound/inbox"}},
	{from: []string{"internal", "adapters", "testdata"}, to: []string{"./cmd"},
		why:   "programs assemble; nobody builds on them",
		plant: [2]string{"adapters/sqlstore/x.go", "./cmd/internal/portalapp"}},
	{from: []string{"internal", "adapters"}, to: []string{"./internal/persona", "./testdata"}, tests: true, sims: true,
		except: []string{"internal/persona", "internal/sim"},
		why:    "invented people live in simulators, tests and the demo, never in a serving program",
		plant:  [2]string{"internal/inbound/login/x.go", "./internal/persona"}},
	{from: []string{"internal"}, to: []string{"./internal/config"}, tests: true,
		except: []string{"internal/config", "internal/daemon"},
		why:    "the core takes values, not files; main hands them in",
		plant:  [2]string{"internal/vault/seal/x.go", "./internal/config"}},

	// One door each for third parties: what is behind a door can be replaced,
	// and its faults are looked for in one place.
	{to: []string{"github.com/crewjam/saml"}, except: []string{"adapters/nemlogin"},
		why:   "its response handling is not a sufficient gate; only the login adapter works around it",
		plant: [2]string{"adapters/portalweb/x.go", "github.com/crewjam/saml/samlsp"}},
	{to: []string{"github.com/hibiken/asynq"}, except: []string{"adapters/asynqueue"},
		why:   "the queue is a doorbell; nothing else may come to rely on how it rings",
		plant: [2]string{"cmd/dispatcher/x.go", "github.com/hibiken/asynq"}},
	{to: []string{"github.com/redis/go-redis/v9"}, except: []string{"adapters/asynqueue", "cmd"},
		why:   "Redis holds nothing that matters; whoever talks to it could start to believe it",
		plant: [2]string{"adapters/sqlstore/x.go", "github.com/redis/go-redis/v9"}},
	{to: []string{"github.com/russellhaering/goxmldsig"}, except: []string{"internal/xmldsig"},
		why:   "its limits are known in one place (one Reference, DER ECDSA, element count)",
		plant: [2]string{"adapters/nemlogin/x.go", "github.com/russellhaering/goxmldsig"}},
	{to: []string{"github.com/jackc/pgx/v5", "modernc.org/sqlite", "github.com/pressly/goose/v3", "database/sql"}, except: []string{"adapters/sqlstore"}, tests: true,
		why:   "one SQL text, one place that knows the dialects",
		plant: [2]string{"internal/vault/ledger/x.go", "database/sql"}},
	{to: []string{"github.com/ThalesGroup/crypto11"}, except: []string{"adapters/pkcs11key"}, tests: true,
		why:   "it needs cgo; one folder is built with it, and only when asked",
		plant: [2]string{"internal/outbound/sign/x.go", "github.com/ThalesGroup/crypto11"}},
	{to: []string{"github.com/segmentio/asm"}, except: []string{"internal/b64"}, tests: true,
		why:   "it is assembly; one place holds it to the standard library's bytes",
		plant: [2]string{"internal/outbound/memo/x.go", "github.com/segmentio/asm/base64"}},
	{to: []string{"github.com/pkg/sftp"}, except: []string{"adapters/printhouse"}, tests: true,
		why:   "SFTP is one print house's road; the rest of the house knows channels",
		plant: [2]string{"internal/outbound/dispatch/x.go", "github.com/pkg/sftp"}},
	{to: []string{"github.com/rabbitmq/amqp091-go"}, except: []string{"adapters/kombipost"}, tests: true,
		why:   "AMQP is how one carrier's statuses come; the queue of the house is another one",
		plant: [2]string{"internal/queue/x.go", "github.com/rabbitmq/amqp091-go"}},
	{to: []string{"github.com/danielgtaylor/huma/v2"}, except: []string{"adapters/deskapi"},
		why:   "one program speaks JSON to machines; the pages speak HTML",
		plant: [2]string{"adapters/portalweb/x.go", "github.com/danielgtaylor/huma/v2"}},
	{to: []string{"github.com/alicebob/miniredis/v2"}, except: []string{"cmd/demo", "cmd/internal/demoapp"}, tests: true,
		why:   "the embedded Redis is for the demo and tests",
		plant: [2]string{"adapters/asynqueue/x.go", "github.com/alicebob/miniredis/v2"}},
	{to: []string{"github.com/alecthomas/kong"}, except: []string{"cmd"},
		why:   "command lines are read by programs",
		plant: [2]string{"internal/outbound/batch/x.go", "github.com/alecthomas/kong"}},
	{to: []string{"testing", "net/http/httptest", "pgregory.net/rapid", "github.com/rogpeppe/go-internal"}, tests: true,
		except: []string{"internal/outside", "internal/ratio"},
		why:    "programs never link the test machinery; suites live in folders named suite",
		plant:  [2]string{"adapters/digitalpost/digitalposttest/x.go", "testing"}},
}

func TestWalls(t *testing.T) {
	for _, breach := range breaches(tree(t)) {
		t.Error(breach)
	}
}

// TestWallsStand plants one breach for each wall and wants to see it reported.
func TestWallsStand(t *testing.T) {
	for _, w := range walls {
		f := goFile{path: w.plant[0], dir: path.Dir(w.plant[0]), imports: []string{ours(w.plant[1])}}
		found := breaches([]goFile{f})
		if !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, w.why) }) {
			t.Errorf("%s importing %s passes the wall %q", w.plant[0], w.plant[1], w.why)
		}
	}
	island := goFile{path: "adapters/clamd/x.go", dir: "adapters/clamd", imports: []string{ours("./adapters/blobstore")}}
	if len(breaches([]goFile{island})) == 0 {
		t.Error("an adapter may import another")
	}
}

func breaches(files []goFile) []string {
	var out []string
	for _, f := range files {
		for _, imp := range f.imports {
			for _, w := range walls {
				if w.forbids(f, imp) {
					out = append(out, fmt.Sprintf("%s imports %s: %s", f.path, imp, w.why))
				}
			}
			if from, to := adapter(f.dir), adapter(strings.TrimPrefix(imp, module+"/")); from != "" && to != "" && from != to {
				out = append(out, fmt.Sprintf("%s imports %s: adapters are islands; programs bring them together", f.path, imp))
			}
		}
	}
	return out
}

func (w wall) forbids(f goFile, imp string) bool {
	if w.tests && (f.test() || path.Base(f.dir) == "suite") {
		return false
	}
	if w.sims && slices.ContainsFunc(strings.Split(f.dir, "/"), func(d string) bool { return strings.HasSuffix(d, "test") }) {
		return false
	}
	if len(w.from) > 0 && !slices.ContainsFunc(w.from, func(d string) bool { return under(f.dir, d) }) {
		return false
	}
	if slices.ContainsFunc(w.except, func(d string) bool { return under(f.dir, d) }) {
		return false
	}
	return slices.ContainsFunc(w.to, func(to string) bool {
		if to == thirdParty {
			first, _, _ := strings.Cut(imp, "/")
			return strings.Contains(first, ".") && !under(imp, module)
		}
		return under(imp, ours(to)) && !(to == "./" && imp == module+"/"+f.dir)
	})
}

// ours turns "./x" into the import path of this module's x.
func ours(p string) string {
	if rest, ok := strings.CutPrefix(p, "./"); ok {
		return strings.TrimSuffix(module+"/"+rest, "/")
	}
	return p
}

// under reports whether p is dir or lies below it.
func under(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// adapter returns the name of the adapter that p belongs to, or "".
func adapter(p string) string {
	parts := strings.Split(p, "/")
	if len(parts) < 2 || parts[0] != "adapters" || parts[1] == "internal" {
		return ""
	}
	return parts[1]
}

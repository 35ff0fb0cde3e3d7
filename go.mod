module sikkerpost.dk/gateway

go 1.26.0

exclude github.com/google/pprof v0.0.0-20261016150608-1facf8f91b50

require (
	filippo.io/age v1.3.2 // sealing: hybrid post-quantum recipients, streams, stock tools open it
	github.com/ThalesGroup/crypto11 v1.5.0 // letter keys on PKCS#11 tokens; behind the build tag pkcs11, because it needs cgo
	github.com/alecthomas/kong v1.17.0 // command lines of the tools, from structs
	github.com/alicebob/miniredis/v2 v2.40.0 // embedded Redis of the demo and tests
	github.com/beevik/etree v1.8.1 // XML trees of SAML, letters and MeMo
	github.com/crewjam/saml v0.5.1 // SAML metadata, types and encryption; behind adapters/nemlogin only
	github.com/danielgtaylor/huma/v2 v2.37.2 // OpenAPI 3.1 made from the desk's code
	github.com/hibiken/asynq v0.26.0 // the doorbell: workers on Redis; behind adapters/asynqueue only
	github.com/jackc/pgx/v5 v5.12.0 // PostgreSQL driver
	github.com/pdfcpu/pdfcpu v0.15.0 // structure check of PDFs before they are taken
	github.com/pkg/sftp v1.13.12 // the print house over SFTP; behind adapters/printhouse only
	github.com/pressly/goose/v3 v3.29.0 // migrations, embedded, on both engines
	github.com/prometheus/client_golang v1.25.0 // metrics, in the form that everybody scrapes
	github.com/prometheus/client_model v0.6.3 // tests: reading a gathered metric
	github.com/rabbitmq/amqp091-go v1.16.0 // statuses from Beskedfordeler over AMQP 0-9-1; behind adapters/kombipost only
	github.com/redis/go-redis/v9 v9.23.0 // one Redis client, handed to asynq
	github.com/rogpeppe/go-internal v1.16.0 // tests: stories as txtar scripts
	github.com/russellhaering/goxmldsig v1.6.1 // canonical XML and signatures; behind internal/xmldsig only
	github.com/segmentio/asm v1.2.1 // base64 by the processor's vector unit: a tenth of a letter's cost; behind internal/b64 only
	github.com/ulikunitz/xz v0.5.17 // LZMA of Digital Post containers (.tar.lzma); not in the standard library
	golang.org/x/crypto v0.58.0 // SSH below SFTP, with pinned host keys; ChaCha20-Poly1305, as in age itself
	golang.org/x/mod v0.42.0 // signed notes and Merkle log of the ledger
	golang.org/x/net v0.62.0 // HTML parsing: letters that come in as pages; tests; the demo's browser
	golang.org/x/sys v0.49.0 // bulk files do not fill the machine's memory; behind internal/pagecache only
	golang.org/x/term v0.47.0 // is a person watching? progress bars
	modernc.org/sqlite v1.61.1 // SQLite without cgo
	pgregory.net/rapid v1.3.0 // tests: models and properties
)

require (
	filippo.io/hpke v0.4.0 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/clipperhouse/uax29/v2 v2.7.0 // indirect
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/google/pprof v0.0.0-20260906184651-6331bc6350fe // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/hhrutter/tiff v1.0.6 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/jonboulle/clockwork v0.5.0 // indirect
	github.com/kr/fs v0.1.0 // indirect
	github.com/kylelemons/godebug v1.1.0 // indirect
	github.com/mattermost/xml-roundtrip-validator v0.1.0 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/mattn/go-runewidth v0.0.27 // indirect
	github.com/mfridman/interpolate v0.0.2 // indirect
	github.com/miekg/pkcs11 v1.1.1 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/robfig/cron/v3 v3.0.1 // indirect
	github.com/sethvargo/go-retry v0.5.0 // indirect
	github.com/spf13/cast v1.10.0 // indirect
	github.com/thales-e-security/pool v0.0.2 // indirect
	github.com/yuin/gopher-lua v1.1.1 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/image v0.44.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/time v0.14.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	modernc.org/libc v1.79.0 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)

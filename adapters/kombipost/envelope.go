package kombipost

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// envelope is what is read of ModtagBeskedInput/Haendelsesbesked. Times in it
// mix Z and offsets; ids come in both cases of letters.
type envelope struct {
	id       string   // BeskedId, lower case
	kind     string   // Beskedtype
	sender   string   // BeskedAnsvarligAktoer, "" when it says none
	allowed  []string // CVR numbers of TilladtModtager
	foreign  bool     // a TilladtModtager that is no CVR number
	object   string   // ObjektId of the first ObjektRegistrering
	action   string   // ObjektHandling of the same
	multiple bool     // more than one ObjektRegistrering: which is meant?
	payloads int      // how many PKO_PostStatus there are: which is meant?
	doubled  bool     // something that can be said once is said twice
	status   *node    // PKO_PostStatus, nil when it cannot be read
}

// Elements that are read where they may stand once. Of two, whoever reads the
// other one reads another message than we do.
var (
	onceInMessage = []string{"BeskedId", "Beskedkuvert"}
	onceInFilter  = []string{"Beskedtype", "BeskedAnsvarligAktoer"}
	onceInObject  = []string{"ObjektId", "ObjektHandling"}
	onceInStatus  = []string{"MessageUUID", "AfsendelseIdentifikator", "KanalKode", "TransaktionsDatoTid", "TransaktionsStatusKode", "FejlDetaljer"}
)

// twice reports whether n has one of names more than once.
func (n *node) twice(names []string) bool {
	for _, name := range names {
		if len(n.children(name)) > 1 {
			return true
		}
	}
	return false
}

// uniqueID is a UnikId: a choice of UUID and URN.
func uniqueID(n *node) string {
	if id := n.text("UUIDIdentifikator"); id != "" {
		return strings.ToLower(id)
	}
	return strings.ToLower(n.text("URNIdentifikator"))
}

// readEnvelope reads as much of a message as there is, from any root that holds
// a Haendelsesbesked.
func readEnvelope(root *node) (envelope, bool) {
	all := root.all("Haendelsesbesked")
	if len(all) != 1 {
		return envelope{}, false
	}
	besked := all[0]
	filter := besked.at("Beskedkuvert", "Filtreringsdata")
	e := envelope{
		id:     uniqueID(besked.at("BeskedId")),
		kind:   uniqueID(filter.child("Beskedtype")),
		sender: uniqueID(filter.child("BeskedAnsvarligAktoer")),
	}
	for _, to := range filter.children("TilladtModtager") {
		cvr, ok := cvrOf(uniqueID(to))
		e.allowed = append(e.allowed, cvr)
		e.foreign = e.foreign || !ok
	}
	objects := filter.children("ObjektRegistrering")
	e.multiple = len(objects) > 1
	e.doubled = besked.twice(onceInMessage) || len(besked.child("Beskedkuvert").children("Filtreringsdata")) > 1 || filter.twice(onceInFilter)
	if len(objects) > 0 {
		e.object = uniqueID(objects[0].child("ObjektId"))
		e.action = uniqueID(objects[0].child("ObjektHandling"))
		e.doubled = e.doubled || objects[0].twice(onceInObject)
	}
	for _, data := range besked.children("Beskeddata") {
		for _, status := range readStatuses(data) {
			e.status = status
			e.payloads++
			e.doubled = e.doubled || status.twice(onceInStatus) || status.child("FejlDetaljer").twice([]string{"FejlKode"})
		}
	}
	return e, true
}

// cvrOf reads urn:oio:cvr:NNNNNNNN and urn:oio:cvr-nr:NNNNNNNN; both are seen.
func cvrOf(urn string) (string, bool) {
	for _, prefix := range []string{"urn:oio:cvr:", "urn:oio:cvr-nr:"} {
		if cvr, ok := strings.CutPrefix(urn, prefix); ok {
			_, err := post.ParseCVR(cvr)
			return cvr, err == nil
		}
	}
	return "", false
}

// readStatuses reads the payloads of Beskeddata: base64 of an XML document. The
// body that they came in bounds their size.
func readStatuses(data *node) (found []*node) {
	for _, b := range data.all("Base64") {
		text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(b.value()), ""))
		if err != nil {
			continue
		}
		if root, err := readTree(text); err == nil && root.name == "PKO_PostStatus" {
			found = append(found, root)
		}
	}
	return found
}

// eventID is BeskedId, the key by which a message that comes again is known. A
// message without one is named by its digest.
func eventID(id string, raw []byte) string {
	id = strings.TrimPrefix(id, "urn:uuid:")
	if post.ValidUUID(id) {
		return id
	}
	sum := sha256.Sum256(raw)
	return "sha256-" + hex.EncodeToString(sum[:])
}

// besides names a message that is not believed, so that its id stays free for
// the good one: Beskedfordeler may deliver that under the same id once its sender
// or our configuration is mended.
func besides(event string, raw []byte) string {
	if !post.ValidUUID(event) {
		return event
	}
	sum := sha256.Sum256(raw)
	return event + "~" + hex.EncodeToString(sum[:8])
}

// stampOf reads TransaktionsDatoTid, the ordering key.
func stampOf(s string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(form, s); err == nil && t.Year() >= 2000 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

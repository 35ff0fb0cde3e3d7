package kombiposttest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// request is what was read of a kombi_request.
type request struct {
	choice    kombipost.Choice
	id        string
	messageID string
	cvr       string // of the MeMo's sender
	recipient string
	invalid   string // why the MeMo will fail later
	memo      []byte
	print     *Print
}

// parseRequest reads a kombi_request; code is the Fejl it gets, or "".
func parseRequest(body []byte) (r request, code string) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var message []byte
	var shipment *element
	var open []xml.StartElement
	choices, closed := 0, false
	for {
		before := d.InputOffset()
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, "sim.xml"
		}
		start, ok := token.(xml.StartElement)
		switch token.(type) {
		case xml.EndElement: // of the root: what is below it is read whole
			closed = true
		case xml.Directive:
			return r, "sim.xml"
		}
		if !ok {
			continue
		}
		switch {
		case len(open) == 0 && start.Name == xml.Name{Local: "kombi_request"}:
			open = append(open, start)
		case len(open) == 0 || closed:
			return r, "sim.root.unexpected"
		case start.Name == xml.Name{Local: "KombiValgKode"}:
			var v string
			if d.DecodeElement(&v, &start) != nil {
				return r, "sim.xml"
			}
			choices++
			r.choice = kombipost.Choice(strings.TrimSpace(v))
		case start.Name.Local == "Message" && start.Name.Space == memo.Namespace && message == nil:
			if d.Skip() != nil {
				return r, "sim.xml"
			}
			message = withSpaces(body[before:d.InputOffset()], open)
		case start.Name.Local == "ForsendelseISamling" && start.Name.Space == spaceFP && shipment == nil:
			if shipment, err = readElement(d, start); err != nil {
				return r, "sim.xml"
			}
		default:
			return r, "sim.element.unexpected"
		}
	}
	if len(open) == 0 {
		return r, "sim.root.unexpected"
	}
	needsMemo, needsPaper := r.choice != kombipost.OnPaper, r.choice == kombipost.OnPaper || r.choice == kombipost.Automatic
	switch {
	case choices != 1 || !knownChoice(r.choice):
		return r, "sim.choice"
	case needsMemo != (message != nil) || needsPaper != (shipment != nil):
		return r, "sim.choice.and.content"
	}
	if message != nil {
		r.memo = message
		if code := r.readMemo(message); code != "" {
			return r, code
		}
	}
	if shipment != nil {
		return r, r.readShipment(shipment)
	}
	return r, ""
}

func knownChoice(c kombipost.Choice) bool {
	switch c {
	case kombipost.DigitalPost, kombipost.OnPaper, kombipost.Automatic, kombipost.SMS:
		return true
	}
	return false
}

// withSpaces gives a cut-out element the namespaces that its ancestors declare.
func withSpaces(text []byte, open []xml.StartElement) []byte {
	end := bytes.IndexAny(text, " \t\r\n>/")
	tag := text[:bytes.IndexByte(text, '>')+1]
	var add []byte
	for _, e := range open {
		for _, a := range e.Attr {
			name := "xmlns"
			if a.Name.Space == "xmlns" {
				name = "xmlns:" + a.Name.Local
			} else if a.Name.Local != "xmlns" {
				continue
			}
			if !bytes.Contains(tag, []byte(name+"=")) {
				add = append(add, ` `+name+`="`+a.Value+`"`...)
			}
		}
	}
	return append(append(bytes.Clone(text[:end]), add...), text[end:]...)
}

// readMemo reads the MeMo. What breaks the schema is taken all the same and
// fails later, as it does at NgDP; without an id nothing can be taken.
func (r *request) readMemo(text []byte) string {
	m, err := memo.Read(bytes.NewReader(text), memo.Limits{}, nil)
	if err != nil {
		r.invalid = "memo.invalid"
		r.id, _ = between(text, "messageUUID")
		if !post.ValidUUID(r.id) {
			return "sim.message.uuid"
		}
		r.id = strings.ToLower(r.id)
		return ""
	}
	h := m.Header
	r.id, r.messageID, r.cvr, r.recipient = strings.ToLower(h.UUID), h.ID, h.Sender.ID, h.Recipient.ID
	if (h.Type == memo.NemSMS) != (r.choice == kombipost.SMS) {
		return "sim.choice.and.content"
	}
	if h.Type == memo.NemSMS && h.Notification == "" {
		r.invalid = "empty.notification.not.allowed"
	}
	return ""
}

// between returns the text of the first element of that local name.
func between(text []byte, name string) (string, bool) {
	_, rest, ok := bytes.Cut(text, []byte(name+">"))
	if !ok {
		return "", false
	}
	value, _, ok := bytes.Cut(rest, []byte("<"))
	return string(bytes.TrimSpace(value)), ok
}

func (r *request) readShipment(n *element) string {
	if len(n.kids) != 1 || n.kids[0].name != "ForsendelseI" {
		return "sim.shipment.count"
	}
	s := n.kids[0]
	if path := checkShipment(s); path != "" {
		return "sim.shipment.invalid" + path
	}
	id := strings.ToLower(s.find("AfsendelseIdentifikator"))
	if r.id != "" && r.id != id {
		return "sim.ids.differ"
	}
	r.id, r.print = id, printOf(s)
	if r.recipient == "" {
		r.recipient = s.find("PersonName")
	}
	return ""
}

// tooLarge returns the code of a limit of size that a request breaks, or "".
func (r request) tooLarge(paper int64) string {
	if len(r.memo) > DigitalLimit {
		return "sim.message.too.large"
	}
	if r.print == nil {
		return ""
	}
	for _, d := range r.print.Documents {
		if paper -= int64(len(d.Content)); paper < 0 {
			return "sim.shipment.too.large"
		}
	}
	return ""
}

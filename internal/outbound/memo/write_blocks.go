package memo

// sharedSpaces are declared on the root of a message that uses them.
var sharedSpaces = []struct{ prefix, uri string }{
	{"gln", nsGLN}, {"udd", nsUDD}, {"form", nsFORM}, {"kle", nsKLE}, {"dmv", nsDMV}, {"sor", nsSOR},
}

// uses reports whether a block of m stands in that namespace.
func (m *Message) uses(space string) bool {
	h := &m.Header
	return anyIn(h.Sender.Attention, space) || anyIn(h.Recipient.Attention, space) ||
		h.Content != nil && anyIn(h.Content.Other, space)
}

func anyIn(all []Block, space string) bool {
	for _, b := range all {
		if b.Space == space || anyIn(b.Kids, space) {
			return true
		}
	}
	return false
}

// blocks writes blocks; the table decides whether each may stand where it does,
// and whether it has a value or kids.
func (e *encoder) blocks(all []Block) {
	for _, b := range all {
		e.within(b.Space, b.Name, func() {
			if e.err != nil {
				return
			}
			leaf := e.at.top().el.text != none
			switch {
			case leaf && len(b.Kids) > 0, !leaf && b.Value != "":
				e.err = e.at.fail(CodeUnexpected, "a block has a value or kids, as the schema says")
			case leaf:
				if bad := e.at.text(b.Value); bad != nil {
					e.err = bad
					return
				}
				e.put(escaper.Replace(b.Value))
			default:
				e.blocks(b.Kids)
			}
		})
	}
}

func (e *encoder) forwardData(f *ForwardData) {
	e.block("ForwardData", func() {
		e.value("messageUUID", f.MessageUUID)
		e.value("originalMessageDateTime", stamp(f.OriginalAt))
		e.value("originalSender", f.OriginalSender)
		e.maybe("originalContentResponsible", f.OriginalContentResponsible)
		e.maybe("originalRepresentative", f.OriginalRepresentative)
		e.maybe("contactPointID", f.ContactPoint)
		e.maybe("comment", f.Comment)
	})
}

func (e *encoder) action(a Action) {
	e.block("Action", func() {
		e.value("label", a.Label)
		e.value("actionCode", a.Code)
		e.moment("startDateTime", a.Start)
		e.moment("endDateTime", a.End)
		if r := a.Reservation; r != nil {
			e.block("Reservation", func() {
				e.value("description", r.Description)
				e.value("reservationUUID", r.UUID)
				e.value("abstract", r.Abstract)
				e.value("location", r.Location)
				e.value("startDateTime", stamp(r.Start))
				e.value("endDateTime", stamp(r.End))
				e.maybe("organizerMail", r.OrganizerMail)
				e.maybe("organizerName", r.OrganizerName)
			})
		}
		if a.URL != "" {
			e.block("EntryPoint", func() { e.value("url", a.URL) })
		}
	})
}

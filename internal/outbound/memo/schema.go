package memo

// An element is one row of the table: what stands inside it.
type element struct {
	space, name string
	text        kind       // of a leaf
	kids        []particle // of all others, in order
}

// A particle is one place in a sequence. Several elements make a choice.
type particle struct {
	els      []*element
	min, max int
}

// kind is the simple type of a leaf.
type kind int

const (
	none        kind = iota
	text             // memoTextType
	comment          // memoCommentType
	notice           // memoNotificationType
	uri              // memoUriType
	language         // memoLanguageType
	uuid             // memoUuidType
	dateTime         // memoDateTimeType
	date             // xs:date
	boolean          // xs:boolean
	messageType      // memoMessageType
	license          // memoLicenseNumberType
	gln              // memoGLNType
	pNumber          // memoPNumberType
	base64Data       // xs:base64Binary; streams
)

// unbounded is maxOccurs="unbounded".
const unbounded = int(^uint(0) >> 1)

// schema is the table of one version.
type schema struct{ message *element }

// schemas holds the tables that [Read] knows, by memoVersion.
var schemas = map[string]*schema{"1.1": table(false), "1.2": table(true)}

func memoEl(name string, kids ...particle) *element {
	return &element{space: Namespace, name: name, kids: kids}
}

func grdEl(name string, kids ...particle) *element {
	return &element{space: NamespaceCore, name: name, kids: kids}
}

func one(e *element) particle           { return particle{[]*element{e}, 1, 1} }
func opt(e *element) particle           { return particle{[]*element{e}, 0, 1} }
func upTo(n int, e *element) particle   { return particle{[]*element{e}, 0, n} }
func oneOrMore(e *element) particle     { return particle{[]*element{e}, 1, unbounded} }
func leaf(name string, k kind) particle { return one(leafEl(Namespace, name, k)) }
func optLeaf(name string, k kind) particle {
	return opt(leafEl(Namespace, name, k))
}

func leafEl(space, name string, k kind) *element {
	return &element{space: space, name: name, text: k}
}

// leaves is a block of another namespace: required and optional leaves ("?")
// of memoTextType.
func leaves(space, name string, names ...string) *element {
	e := &element{space: space, name: name}
	for _, n := range names {
		least := 1
		if n[len(n)-1] == '?' {
			n, least = n[:len(n)-1], 0
		}
		e.kids = append(e.kids, particle{[]*element{leafEl(space, n, text)}, least, 1})
	}
	return e
}

// when keeps a particle only in the versions that have it.
func when(ok bool, p ...particle) []particle {
	if ok {
		return p
	}
	return nil
}

func seq(parts ...[]particle) []particle {
	var all []particle
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// table states MeMo_core.xsd. v12 adds what 1.2 changed: representatives in,
// idTypeLabel out, mandatory and legalNotification optional.
func table(v12 bool) *schema {
	flag := leaf
	if v12 {
		flag = optLeaf
	}
	header := memoEl("MessageHeader", seq([]particle{
		leaf("messageType", messageType), leaf("messageUUID", uuid), optLeaf("messageID", text),
		optLeaf("messageCode", text), leaf("label", text), optLeaf("notification", notice),
		optLeaf("additionalNotification", text), optLeaf("reply", boolean),
		optLeaf("replyByDateTime", dateTime), optLeaf("doNotDeliverUntilDate", date),
		flag("mandatory", boolean), flag("legalNotification", boolean), optLeaf("postType", text),
		one(memoEl("Sender", partyKids(v12, "senderID", true)...)),
		one(memoEl("Recipient", partyKids(v12, "recipientID", false)...)),
		opt(contentData()),
	}, []particle{
		opt(memoEl("ForwardData", seq([]particle{
			leaf("messageUUID", uuid), leaf("originalMessageDateTime", dateTime),
			leaf("originalSender", text), optLeaf("originalContentResponsible", text),
		}, when(v12, optLeaf("originalRepresentative", text)), []particle{
			optLeaf("contactPointID", text), optLeaf("comment", comment),
		})...)),
		upTo(unbounded, memoEl("ReplyData",
			optLeaf("messageID", text), leaf("messageUUID", uuid), optLeaf("replyUUID", uuid),
			optLeaf("senderID", text), optLeaf("recipientID", text), optLeaf("caseID", text),
			optLeaf("contactPointID", text), optLeaf("generatingSystemID", text), optLeaf("comment", comment),
			upTo(4, memoEl("AdditionalReplyData", leaf("label", text), leaf("value", text))))),
	})...)
	body := memoEl("MessageBody", leaf("createdDateTime", dateTime),
		one(document("MainDocument", "mainDocumentID", true)),
		upTo(unbounded, document("AdditionalDocument", "additionalDocumentID", true)),
		upTo(unbounded, document("TechnicalDocument", "technicalDocumentID", false)))
	return &schema{memoEl("Message", one(header), opt(body))}
}

// partyKids is Sender or Recipient: they differ in the name of the id, in
// whether the label is required, and in the representative.
func partyKids(v12 bool, id string, sender bool) []particle {
	label := optLeaf("label", text)
	if sender {
		label = leaf("label", text)
	}
	return seq([]particle{leaf(id, text), leaf("idType", text)},
		when(!v12, optLeaf("idTypeLabel", text)),
		[]particle{label, opt(attentionData()), opt(memoEl("ContactPoint",
			optLeaf("contactGroup", text), leaf("contactPointID", text), optLeaf("label", text),
			upTo(2, memoEl("ContactInfo", leaf("label", text), leaf("value", text)))))},
		when(v12 && sender, opt(memoEl("Representative",
			leaf("representativeID", text), leaf("idType", text), leaf("label", text)))))
}

func document(name, id string, actions bool) *element {
	file := memoEl("File", leaf("encodingFormat", text), leaf("filename", text),
		leaf("language", language), leaf("content", base64Data))
	return memoEl(name, seq([]particle{optLeaf(id, text), optLeaf("label", text), oneOrMore(file)},
		when(actions, upTo(unbounded, action())))...)
}

func action() *element {
	reservation := memoEl("Reservation", leaf("description", text), leaf("reservationUUID", uuid),
		leaf("abstract", text), leaf("location", text), leaf("startDateTime", dateTime),
		leaf("endDateTime", dateTime), optLeaf("organizerMail", text), optLeaf("organizerName", text))
	return memoEl("Action", leaf("label", text), leaf("actionCode", text),
		optLeaf("startDateTime", dateTime), optLeaf("endDateTime", dateTime),
		particle{[]*element{reservation, memoEl("EntryPoint", leaf("url", uri))}, 0, 1})
}

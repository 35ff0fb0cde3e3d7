package kombipost

import (
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// An Event is what PKO_PostStatus reports: ObjektHandling of the envelope.
type Event struct {
	ID      string // UUID of ObjektHandling
	Name    string // TransaktionsStatusKode, as KOMBIT writes it
	Channel string // KanalKode it is said of; "" is both
	Kind    track.Kind
}

// Names of the events, in the order of a letter's life.
const (
	ReceivedDigital  = "Modtaget Digital Post"
	DeliveredDigital = "Afleveret Digital Post"
	Created          = "Afsendt"
	ReceivedPrint    = "Modtaget Fjern-print"
	ReadyToPrint     = "Klar"
	Printing         = "Afleveret til print og kuvertering"
	HandedToPost     = "Modtaget Post Danmark"
	Update           = "Opdatering fra Post Danmark"
	Recalled         = "Tilbagekaldt"
	Failed           = "Fejlet"
)

// KanalKode.
const (
	onDigital = "Digital Post"
	onPaper   = "Fysisk Post"
)

// Events are the ten. Kind is the plain case: Fejlet is read with its code,
// Opdatering with its type, and Tilbagekaldt is for a person, since nothing in
// a letter's life says that a print house may take it back.
var Events = []Event{
	{"eb866ca2-b871-4387-b501-12cde577bd58", ReceivedDigital, onDigital, track.Received},
	{"f7161a89-5068-4023-bc80-d7f4daad2a2e", DeliveredDigital, onDigital, track.Delivered},
	{"db5a6025-caa3-45c3-8e02-4e6fa8142ade", Created, onPaper, track.Received},
	{"dd98e71c-41ac-4305-a47b-8f86b00e639b", ReceivedPrint, onPaper, track.Received},
	{"e2b30d57-504a-4e2e-ae2d-a1394a9cb0b8", ReadyToPrint, onPaper, track.Received},
	{"e3c0a021-2070-40d4-b7b7-754aeba762e9", Printing, onPaper, track.Printing},
	{"e94a0a8b-60a0-42ad-8b83-52c9e15d0fb3", HandedToPost, onPaper, track.Posted},
	{"f4e6eb11-0261-4198-8b5d-be92a9b1a35d", Update, onPaper, track.Unreadable},
	{"f03904aa-df6e-417f-bd74-6a01a61adbcf", Recalled, onPaper, track.Unreadable},
	{"e225a75c-4b63-46c4-9423-77f5c8762445", Failed, "", track.RefusedContent},
}

func eventBy(id string) (Event, bool) {
	for _, e := range Events {
		if strings.EqualFold(e.ID, id) {
			return e, true
		}
	}
	return Event{}, false
}

// Sender is who an event may come from: BeskedAnsvarligAktoer.
type Sender struct {
	Name    string
	Channel string // KanalKode it may speak of
}

// Senders are the four that are known. A filter in Beskedfordeler that names
// the first only makes paper receipts never come, without a word.
var Senders = map[string]Sender{
	"96514e13-afdd-44d6-95a8-adc2ca19b127": {"Digital Post", onDigital},
	"afd21f3d-11c7-4f51-b2a6-f31d6480a9fb": {"Strålfors", onPaper},
	"ae5b9a93-c923-40d7-a41a-1eec18374e27": {"Edora", onPaper},
	"6b12182a-4268-4130-bd3e-159f8862c0a1": {"KMD Charlie Tango", onPaper},
}

// SenderOn returns a sender of statuses about letters on that channel.
func SenderOn(name string, ch post.Channel) Sender {
	if ch == post.Physical {
		return Sender{name, onPaper}
	}
	return Sender{name, onDigital}
}

// MessageType is Beskedtype of PKO_PostStatus.
const MessageType = "d2bed63c-4853-4008-b6e0-a74c15b15fbf"

package post

// Carrier names who carries letters out of the house. Hand-overs and receipts
// are kept under it, so a name is never given to another carrier.
type Carrier string

// Carriers.
const (
	DigitalPost Carrier = "digitalpost" // NgDP, directly
	PrintHouse  Carrier = "printhouse"
	KombiPost   Carrier = "kombipost" // KOMBIT's Postkomponent (SF1601), both channels
)

// carries lists the channels of each carrier.
var carries = map[Carrier][]Channel{DigitalPost: {Digital}, PrintHouse: {Physical}, KombiPost: {Digital, Physical}}

// Carries reports whether c is a carrier of that channel.
func (c Carrier) Carries(ch Channel) bool {
	for _, has := range carries[c] {
		if has == ch {
			return true
		}
	}
	return false
}

// Known reports whether c is one of the carriers.
func (c Carrier) Known() bool { return carries[c] != nil }

// UsualCarrier is who carries a channel for a tenant that has chosen nobody
// else.
func UsualCarrier(ch Channel) Carrier {
	if ch == Physical {
		return PrintHouse
	}
	return DigitalPost
}

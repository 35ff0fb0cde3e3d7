package post

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// NewID returns a UUIDv7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds and
// 12 of their fraction (section 6.2, method 3), then random bits. Ids sort by time
// of birth in every database, and those of one process by the order in which they
// were drawn: entries made together keep their order.
func NewID() string {
	var b [16]byte
	rand.Read(b[8:])
	at := tick()
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], at>>12)
	copy(b[:6], ms[2:])
	binary.BigEndian.PutUint16(b[6:], uint16(at&0xfff)|0x7000) //nolint:gosec // 12 bits
	b[8] = b[8]&0x3f | 0x80
	return formatUUID(b)
}

// lastTick is the newest time that an id of this process bears.
var lastTick atomic.Uint64

// tick returns the time in 4096ths of a millisecond, later than any before.
func tick() uint64 {
	now := time.Now()
	ms := uint64(now.UnixMilli()) //nolint:gosec // after 1970
	at := ms<<12 | uint64(now.Nanosecond()%1_000_000)<<12/1_000_000
	for {
		last := lastTick.Load()
		at = max(at, last+1)
		if lastTick.CompareAndSwap(last, at) {
			return at
		}
	}
}

// DerivedID returns the version-4 shaped UUID under which generation of letter
// goes out on channel. It is a function of its arguments, never drawn, so a
// retry after any crash repeats it and the carrier can refuse the duplicate.
// It serves as MeMo messageUUID and as print-job id.
func DerivedID(letter LetterID, channel Channel, generation int) string {
	return derive("hand-over", string(letter), string(channel), fmt.Sprint(generation))
}

// ForwardedLetterID returns the id of the letter that carries inquiry to the
// municipality's Digital Post. Forwarding twice makes the same letter.
func ForwardedLetterID(inquiry InquiryID) LetterID {
	return LetterID(derive("forward", string(inquiry)))
}

func derive(parts ...string) string {
	sum := sha256.Sum256([]byte("sikkerpost.dk/id/v1\x00" + strings.Join(parts, "\x00")))
	var b [16]byte
	copy(b[:], sum[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return formatUUID(b)
}

func formatUUID(b [16]byte) string {
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ValidUUID reports whether s has the textual form of a UUID (RFC 9562
// section 4), in either case of letters.
func ValidUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		switch i {
		case 8, 13, 18, 23:
			if r != '-' {
				return false
			}
		default:
			if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
				return false
			}
		}
	}
	return true
}

// referenceAlphabet leaves out I, L, O and U, which people misread.
const referenceAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewReference returns a reference that a person can read aloud, such as
// SP-7K3Q-92MD: seven random characters and a check character.
func NewReference() string {
	var raw [7]byte
	rand.Read(raw[:])
	var s []byte
	for _, c := range raw {
		s = append(s, referenceAlphabet[int(c)%32])
	}
	s = append(s, referenceCheck(s))
	return "SP-" + string(s[:4]) + "-" + string(s[4:])
}

// ParseReference accepts a reference as people type it (any case, with or
// without prefix, dashes and spaces; I and L read as 1, O as 0) and returns
// the canonical form. It refuses a wrong check character.
func ParseReference(s string) (string, bool) {
	s = strings.ToUpper(s)
	s = strings.NewReplacer("-", "", " ", "").Replace(s)
	if len(s) == 10 {
		s = strings.TrimPrefix(s, "SP")
	}
	s = strings.NewReplacer("I", "1", "L", "1", "O", "0").Replace(s)
	if len(s) != 8 {
		return "", false
	}
	for _, r := range s {
		if !strings.ContainsRune(referenceAlphabet, r) {
			return "", false
		}
	}
	if referenceCheck([]byte(s[:7])) != s[7] {
		return "", false
	}
	return "SP-" + s[:4] + "-" + s[4:], true
}

// referenceCheck weights each character by an odd number of its own, so that
// any single wrong character changes the sum, and most swaps of two neighbors.
func referenceCheck(s []byte) byte {
	sum := 0
	for i, c := range s {
		sum += (2*i + 1) * strings.IndexByte(referenceAlphabet, c)
	}
	return referenceAlphabet[sum%32]
}

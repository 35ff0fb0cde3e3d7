package printhouse

import (
	"regexp"
	"strings"
)

var trackingForm = regexp.MustCompile(`^[A-Z]{2}[0-9]{9}[A-Z]{2}$`)

// trackingWeights are those of UPU standard S10.
var trackingWeights = [8]int{8, 6, 4, 2, 3, 5, 9, 7}

// ValidTracking reports whether s is a tracking number of UPU standard S10,
// check digit included, e.g. RR473124829DK.
func ValidTracking(s string) bool {
	return trackingForm.MatchString(s) && s[10] == trackingCheck(s[2:10])
}

// TrackingScheme is a kind of tracking number.
type TrackingScheme string

// Schemes. Only the first has a check digit that we know; the others are kept as
// they are, under their name.
const (
	SchemeS10   TrackingScheme = "s10" // UPU S10, e.g. RR473124829DK
	SchemeDAO   TrackingScheme = "dao"
	SchemeOther TrackingScheme = "other"
)

// opaqueForm is what numbers of other schemes are made of.
var opaqueForm = regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]{4,34}$`)

// trackingOf returns a number as it is kept: an S10 number by itself, any other
// after its scheme, as in dao:00570712345. A number that is none would send
// people searching, and is left out.
func trackingOf(scheme TrackingScheme, number string) string {
	switch number = strings.ToUpper(strings.ReplaceAll(number, " ", "")); {
	case (scheme == "" || scheme == SchemeS10) && ValidTracking(number):
		return number
	case (scheme == SchemeDAO || scheme == SchemeOther) && opaqueForm.MatchString(number):
		return string(scheme) + ":" + number
	}
	return ""
}

// TrackingNumber builds the S10 number of a service ("RR"), a serial number of
// at most eight digits, and a country.
func TrackingNumber(service string, serial int, country string) string {
	digits := make([]byte, 8)
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + serial%10)
		serial /= 10
	}
	return service + string(digits) + string(trackingCheck(string(digits))) + country
}

func trackingCheck(digits string) byte {
	sum := 0
	for i, w := range trackingWeights {
		sum += w * int(digits[i]-'0')
	}
	switch c := 11 - sum%11; c {
	case 10:
		return '0'
	case 11:
		return '5'
	default:
		return byte('0' + c)
	}
}

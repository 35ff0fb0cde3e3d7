package printhouse

import "regexp"

var trackingForm = regexp.MustCompile(`^[A-Z]{2}[0-9]{9}[A-Z]{2}$`)

// trackingWeights are those of UPU standard S10.
var trackingWeights = [8]int{8, 6, 4, 2, 3, 5, 9, 7}

// ValidTracking reports whether s is a tracking number of UPU standard S10,
// check digit included, e.g. RR473124829DK.
func ValidTracking(s string) bool {
	return trackingForm.MatchString(s) && s[10] == trackingCheck(s[2:10])
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

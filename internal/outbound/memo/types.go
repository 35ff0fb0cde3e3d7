package memo

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	uuidForm     = regexp.MustCompile(`^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-4[a-fA-F0-9]{3}-[aAbB89][a-fA-F0-9]{3}-[a-fA-F0-9]{12}$`)
	languageForm = regexp.MustCompile(`^[a-zA-Z]{1,2}$`)
	dateForm     = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(Z|[+-]\d{2}:\d{2})?$`)
	dateTimeForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$`)
	numberForm   = regexp.MustCompile(`^[+-]?\d+$`)
)

// check reports the code and note of the rule that s breaks, or "".
// Lengths count characters (xs:maxLength), not bytes.
func (k kind) check(s string) (code, note string) {
	if !carried(s) {
		return CodeCharacter, "a character that XML cannot carry"
	}
	switch k {
	case text:
		return longest(s, MaxText)
	case comment:
		return longest(s, 512)
	case notice:
		return longest(s, 150)
	case license:
		return longest(s, 7)
	case uri:
		if strings.ContainsAny(s, " \t\r\n<>\"{}|\\^`") {
			return CodeValue, "expected a URI"
		}
		return longest(s, MaxText)
	case none, base64Data:
		return "", ""
	}
	if k != uuid && k != messageType { // these two keep white space; the others collapse it
		s = strings.Trim(s, " \t\r\n")
	}
	if !k.holds(s) {
		return CodeValue, k.expected()
	}
	return "", ""
}

func longest(s string, limit int) (code, note string) {
	if utf8.RuneCountInString(s) > limit {
		return CodeTooLong, "at most " + strconv.Itoa(limit) + " characters"
	}
	return "", ""
}

// holds reports whether s is a value of one of the types that are not plain text.
func (k kind) holds(s string) bool {
	switch k {
	case messageType:
		return s == DigitalPost || s == NemSMS
	case uuid:
		return uuidForm.MatchString(s)
	case language:
		return languageForm.MatchString(s)
	case boolean:
		return s == "true" || s == "false" || s == "1" || s == "0"
	case dateTime:
		_, err := time.Parse(timeForm, s) // takes a fraction, and digits that the form refuses
		return err == nil && dateTimeForm.MatchString(s)
	case date:
		if !dateForm.MatchString(s) {
			return false
		}
		_, err := time.Parse(time.DateOnly, s[:10])
		return err == nil
	case gln:
		return atMost(s, 9_999_999_999_999)
	case pNumber:
		return atMost(s, 9_999_999_999)
	}
	return false
}

func atMost(s string, limit int64) bool {
	if !numberForm.MatchString(s) {
		return false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n <= limit
}

func (k kind) expected() string {
	switch k {
	case messageType:
		return "expected DIGITALPOST or NEMSMS"
	case uuid:
		return "expected a version 4 UUID"
	case language:
		return "expected a language of two letters"
	case boolean:
		return "expected true or false"
	case dateTime:
		return "expected a time in UTC that ends in Z"
	case date:
		return "expected a date"
	}
	return "expected a number within its bound"
}

// carried reports whether XML 1.0 has every character of s (section 2.2).
func carried(s string) bool {
	for i, r := range s {
		switch {
		case r == '\t', r == '\n', r == '\r', r >= 0x20 && r <= 0xD7FF, r >= 0x10000:
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		case r >= 0xE000 && r <= 0xFFFD:
		default:
			return false
		}
	}
	return true
}

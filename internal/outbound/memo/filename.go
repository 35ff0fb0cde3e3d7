package memo

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// refusedInName reports whether Digital Post refuses r in a file name (rules of
// November 2024): path and shell characters, line breaks, and spaces that are
// not the plain one. Control characters we refuse besides.
func refusedInName(r rune) bool {
	switch {
	case strings.ContainsRune(`<>:"/\|?*`, r), r == '\u00a0', r >= '\u2000' && r <= '\u200a',
		r == '\u2028', r == '\u2029', r == '\u205f', r == '\u2060', r == '\u3000', unicode.IsControl(r):
		return true
	}
	return r == utf8.RuneError
}

// ValidFilename reports whether Digital Post takes name.
func ValidFilename(name string) bool {
	return name != "" && strings.Trim(name, " .") != "" && utf8.RuneCountInString(name) <= MaxText &&
		strings.IndexFunc(name, refusedInName) < 0
}

// CleanFilename returns name as Digital Post takes it: each refused character
// becomes a dash, and a name that is too long loses characters before its
// extension. A name without any letter becomes "dokument".
func CleanFilename(name string) string {
	name = strings.Map(func(r rune) rune {
		if refusedInName(r) {
			return '-'
		}
		return r
	}, strings.ToValidUTF8(name, "-"))
	name = strings.Trim(name, " ")
	if strings.Trim(name, " .-") == "" {
		return "dokument"
	}
	runes := []rune(name)
	if len(runes) <= MaxText {
		return name
	}
	var extension []rune
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		extension = []rune(name[dot:])
	}
	if len(extension) > 16 { // no extension is that long; it is part of the name
		extension = nil
	}
	return string(runes[:MaxText-len(extension)]) + string(extension)
}

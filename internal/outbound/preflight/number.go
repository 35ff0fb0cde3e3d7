package preflight

import (
	"regexp"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// apart is from how wide a gap on, in mm, two words of a line are not read
// together any more: they stand in columns. Large type spaces wider.
const apart = 9.0

var (
	digitRuns = regexp.MustCompile(`[0-9]+`)
	// between is what people write between the six digits and the four.
	between = regexp.MustCompile(`^\pZ*[-‐‑‒–—−.]?\pZ*$`)
)

// numbered reports whether something that can be a CPR number may shift into the
// window: ten digits in a row, or six and four that belong together, which name a
// day that has been, by the rule of centuries. The check digit says nothing:
// numbers without it are given out. Numbers of replacement (day + 60) count.
func numbered(words []Word, now time.Time) bool {
	for _, row := range rows(words, zoneSlack) {
		line := readTogether(row)
		runs := digitRuns.FindAllStringIndex(line, -1)
		for i, r := range runs {
			digits := line[r[0]:r[1]]
			if len(digits) == 6 && i+1 < len(runs) && between.MatchString(line[r[1]:runs[i+1][0]]) {
				digits += line[runs[i+1][0]:runs[i+1][1]]
			}
			if canBeCPR(digits, now) {
				return true
			}
		}
	}
	return false
}

// readTogether writes a row as one line; a tab stands where a column ends.
func readTogether(row []Word) string {
	var b strings.Builder
	for i, w := range row {
		if i > 0 {
			before, gap := row[i-1], " "
			if w.Left-before.Right > max(apart, 2*(w.Bottom-w.Top)) {
				gap = "\t"
			}
			b.WriteString(gap)
		}
		b.WriteString(w.Text)
	}
	return b.String()
}

// canBeCPR reports whether a number may have been given to somebody by now, or
// will be today somewhere.
func canBeCPR(digits string, now time.Time) bool {
	n, err := post.ParseCPR(digits)
	if err != nil {
		return false
	}
	born, ok := n.Born()
	return ok && born.Before(now.AddDate(0, 0, 1))
}

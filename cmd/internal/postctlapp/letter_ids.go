package postctlapp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/post"
)

// letterIDs says under which ids carriers know letters: a function of the letter's own
// id, so that a caller's record of it can be held against what carriers have when no
// database knows the letter any more. It asks nobody.
type letterIDs struct {
	Letters []string `arg:"" name:"letter-id" help:"Ids of letters, as their callers were told them; - is standard input, one on each line. A reference does not do."`
	Times   int      `default:"3" help:"How many times each may have gone out on a channel (postctl letter reissue)."`
}

// A handedID is the id of one hand-over that a letter may have had.
type handedID struct {
	MessageID  string        `json:"message_id"`
	Letter     post.LetterID `json:"letter"`
	Channel    post.Channel  `json:"channel"`
	Generation int           `json:"generation"`
}

// Run prints one line for each id, in a form for grep and join. It prints none when one
// of the letters' ids is none.
func (c *letterIDs) Run(r *run) error {
	if c.Times < 1 || c.Times > 50 {
		return &ctl.Hint{Err: errors.New("-times is not from 1 to 50"), Exit: ctl.Misused, Hint: "leave it out"}
	}
	letters := c.Letters
	if len(letters) == 1 && letters[0] == "-" {
		letters = nil
		for s := bufio.NewScanner(r.Stdin); ; {
			if !s.Scan() {
				if err := s.Err(); err != nil {
					return fmt.Errorf("read ids of letters: %w", err)
				}
				break
			}
			if id := strings.TrimSpace(s.Text()); id != "" {
				letters = append(letters, id)
			}
		}
	}
	all := []handedID{}
	for _, l := range letters {
		if !post.ValidUUID(l) {
			return &ctl.Hint{Err: fmt.Errorf("%q is no id of a letter", ctl.Line(l)), Exit: ctl.Misused,
				Hint: "give ids such as 01a2060d-3d03-7f54-9931-22f9149150de; a reference (SP-...) leads to no other id without the database"}
		}
		id := post.LetterID(strings.ToLower(l))
		for generation := 1; generation <= c.Times; generation++ {
			for _, channel := range []post.Channel{post.Digital, post.Physical} {
				all = append(all, handedID{post.DerivedID(id, channel, generation), id, channel, generation})
			}
		}
	}
	out := struct {
		Items []handedID `json:"items"`
	}{all}
	return r.Print(out, func(w io.Writer) {
		for _, h := range all {
			fmt.Fprintf(w, "%s %s %s %d\n", h.MessageID, h.Letter, h.Channel, h.Generation)
		}
	})
}

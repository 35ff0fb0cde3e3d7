package ctl

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// A Manual writes what a shell or a manual page needs to know of a program, from
// the same table of commands that parses its arguments.
type Manual struct {
	name, about, examples string
	app                   *kong.Application
}

// NewManual reads grammar, a pointer to a struct with kong tags.
func NewManual(name, about, examples string, grammar any) (*Manual, error) {
	k, err := kong.New(grammar, kong.Name(name), kong.Description(about))
	if err != nil {
		return nil, fmt.Errorf("read commands of %s: %w", name, err)
	}
	return &Manual{name, about, examples, k.Model}, nil
}

// Shells are those that [Manual.Completion] writes for.
var Shells = []string{"bash", "zsh", "fish"}

// Completion writes a script by which a shell completes commands and flags.
func (m *Manual) Completion(w io.Writer, shell string) error {
	switch shell {
	case "bash":
		m.bash(w)
	case "zsh": // its own emulation of bash's completion: one script to keep right
		fmt.Fprintf(w, "#compdef %s\nautoload -U +X bashcompinit && bashcompinit\n", m.name)
		m.bash(w)
	case "fish":
		m.fish(w)
	default:
		return fmt.Errorf("%q is none of %s", shell, strings.Join(Shells, ", "))
	}
	return nil
}

// Commands lists the commands that do something, each as it is typed.
func (m *Manual) Commands() (all []string) {
	visit(m.app.Node, nil, func(words []string, n *kong.Node) {
		if len(n.Children) == 0 {
			all = append(all, strings.Join(words, " "))
		}
	})
	return all
}

// visit calls f for each command, with its words after the program's name.
func visit(n *kong.Node, words []string, f func(words []string, n *kong.Node)) {
	f(words, n)
	for _, c := range n.Children {
		if !c.Hidden {
			visit(c, append(words[:len(words):len(words)], c.Name), f)
		}
	}
}

// flags returns those of a command and of all above it.
func flags(n *kong.Node) (all []*kong.Flag) {
	for _, group := range n.AllFlags(true) {
		all = append(all, group...)
	}
	return all
}

func (m *Manual) bash(w io.Writer) {
	f := "_" + m.name
	fmt.Fprintf(w, "%s() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" at= words= word i\n  for ((i = 1; i < COMP_CWORD; i++)); do\n    word=\"${COMP_WORDS[i]}\"\n    case \"$at $word\" in\n", f)
	var known []string
	visit(m.app.Node, nil, func(words []string, _ *kong.Node) {
		if len(words) > 0 {
			known = append(known, `"`+at(words)+`"`)
		}
	})
	fmt.Fprintf(w, "      %s) at=\"$at $word\" ;;\n    esac\n  done\n  case \"$at\" in\n", strings.Join(known, "|"))
	visit(m.app.Node, nil, func(words []string, n *kong.Node) {
		fmt.Fprintf(w, "    \"%s\") words=\"%s\" ;;\n", at(words), strings.Join(offers(n), " "))
	})
	fmt.Fprint(w, "  esac\n  case \"$at ${COMP_WORDS[COMP_CWORD-1]/#--/-}\" in\n")
	visit(m.app.Node, nil, func(words []string, n *kong.Node) {
		for _, f := range n.Flags {
			if of := values(f.Value); len(of) > 0 {
				fmt.Fprintf(w, "    \"%s -%s\") words=\"%s\" ;;\n", at(words), f.Name, strings.Join(of, " "))
			}
		}
	})
	// One dash serves as well as two, as the examples have it.
	fmt.Fprintf(w, "  esac\n  [[ $cur == -[!-]* ]] && words=\"${words//--/-}\"\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F %s %s\n", f, m.name)
}

// at writes the words of a command, each after a blank.
func at(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return " " + strings.Join(words, " ")
}

// values are the words that a flag or an argument takes, when they are few and known.
func values(v *kong.Value) (all []string) {
	for _, word := range v.EnumSlice() {
		if word != "" {
			all = append(all, word)
		}
	}
	return all
}

// offers are what may follow a command: its sub-commands, or the known words of
// its arguments; then its flags.
func offers(n *kong.Node) (all []string) {
	for _, c := range n.Children {
		if !c.Hidden {
			all = append(all, c.Name)
		}
	}
	for _, p := range n.Positional {
		all = append(all, values(p)...)
	}
	for _, f := range flags(n) {
		all = append(all, "--"+f.Name)
	}
	return all
}

func (m *Manual) fish(w io.Writer) {
	visit(m.app.Node, nil, func(words []string, n *kong.Node) {
		condition := "__fish_use_subcommand"
		if len(words) > 0 {
			condition = "__fish_seen_subcommand_from " + strings.Join(words, "; and __fish_seen_subcommand_from ")
		}
		for _, c := range n.Children {
			if !c.Hidden {
				fmt.Fprintf(w, "complete -c %s -f -n '%s' -a %s -d %s\n", m.name, condition, c.Name, quoted(c.Help))
			}
		}
		if n.Type == kong.ApplicationNode {
			condition = ""
		}
		for _, f := range n.Flags {
			if condition == "" {
				fmt.Fprintf(w, "complete -c %s -l %s -d %s\n", m.name, f.Name, quoted(f.Help))
				continue
			}
			takes := ""
			if of := values(f.Value); len(of) > 0 {
				takes = " -x -a " + quoted(strings.Join(of, " "))
			}
			fmt.Fprintf(w, "complete -c %s -n '%s' -l %s%s -d %s\n", m.name, condition, f.Name, takes, quoted(f.Help))
		}
	})
}

func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// Man writes a manual page (section 1).
func (m *Manual) Man(w io.Writer) {
	fmt.Fprintf(w, ".TH %s 1\n.ad l\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\n.I command\n[flags]\n.SH COMMANDS\n",
		strings.ToUpper(m.name), m.name, roff(m.about), m.name)
	visit(m.app.Node, nil, func(words []string, n *kong.Node) {
		if len(n.Children) > 0 || len(words) == 0 {
			return
		}
		fmt.Fprintf(w, ".SS %s\n%s\n", roff(m.name+at(words)), roff(n.Help))
		for _, p := range n.Positional {
			fmt.Fprintf(w, ".TP\n.I %s\n%s\n", roff(p.Summary()), roff(p.Help))
		}
		for _, f := range n.Flags {
			m.flag(w, f)
		}
	})
	fmt.Fprint(w, ".SH FLAGS OF EVERY COMMAND\n")
	for _, f := range m.app.Flags {
		m.flag(w, f)
	}
	fmt.Fprintf(w, ".SH EXAMPLES\n.nf\n%s\n.fi\n.SH EXIT STATUS\n.nf\n", roff(m.examples))
	_, list, _ := strings.Cut(exitCodes, "Exit codes:\n")
	fmt.Fprintf(w, "%s.fi\n", roff(list))
}

func (m *Manual) flag(w io.Writer, f *kong.Flag) {
	name := "--" + f.Name
	if !f.IsBool() {
		name += "=" + f.FormatPlaceHolder()
	}
	help := f.Help
	if len(f.Envs) > 0 {
		help += " Environment: " + strings.Join(f.Envs, ", ") + "."
	}
	fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(name), roff(help))
}

// roff keeps text from being read as an instruction.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// Command devcerts makes the keys and certificates of a development
// installation and prints what it made. It keeps what is still valid.
//
// Exit codes: 0 made or kept, 1 failed, 2 used wrongly.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/build"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("devcerts", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "certs/dev", "folder to write to")
	hosts := flags.String("hosts", "", "further host names and addresses of the servers, separated by commas")
	version := flags.Bool("version", false, "print which version this is, and end")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: devcerts [-dir certs/dev] [-hosts name,address] [-version]")
		flags.PrintDefaults()
		fmt.Fprintln(flags.Output(), "exit codes: 0 made or kept, 1 failed, 2 used wrongly")
	}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		flags.Usage()
		return 2
	}
	if *version {
		fmt.Fprintln(stdout, build.Line("devcerts"))
		return 0
	}
	set, err := devcerts.Make(*dir, devcerts.Options{Hosts: split(*hosts)})
	if err != nil {
		fmt.Fprintln(stderr, "devcerts:", err)
		return 1
	}
	slices.Sort(set.Made)
	for _, path := range set.Made {
		fmt.Fprintln(stdout, path)
	}
	fmt.Fprintf(stderr, "devcerts: %d files made in %s; the rest was still valid\n", len(set.Made), set.Dir)
	return 0
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

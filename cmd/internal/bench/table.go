package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Metrics of internal/ratio, which only tests may import.
const (
	unitRatio   = "ratio"
	unitAtMost  = "at-most"
	unitAtLeast = "at-least"
	unitSubject = "subject-ns"
	unitBase    = "base-ns"
)

// result is what one or more packages printed.
type result struct {
	rows    []row
	leftOut []string
}

// row is one comparison.
type row struct {
	name    string
	metrics map[string]float64
}

// Verdicts.
const (
	met    = "yes"
	missed = "NO"
	none   = "-" // the row only informs
)

// parse reads the standard output of Go benchmarks and passes over the rest.
func parse(out string) result {
	var r result
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if _, what, ok := strings.Cut(line, "LEFT OUT, "); ok {
			r.leftOut = append(r.leftOut, what)
			continue
		}
		name, rest, ok := strings.Cut(line, "\t")
		name, ours := strings.CutPrefix(strings.TrimSpace(name), "BenchmarkRatio/")
		if !ok || !ours {
			continue
		}
		if at := strings.LastIndexByte(name, '-'); at > 0 { // GOMAXPROCS
			name = name[:at]
		}
		fields := strings.Fields(rest)
		m := map[string]float64{}
		for i := 1; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				m[fields[i+1]] = v
			}
		}
		r.rows = append(r.rows, row{strings.ReplaceAll(name, "_", " "), m})
	}
	return r
}

// value returns the measured number and its unit: "×" or that of an amount.
func (r row) value() (v float64, unit string) {
	for u, v := range r.metrics {
		switch u {
		case unitRatio:
			return v, "×"
		case unitAtMost, unitAtLeast, unitSubject, unitBase:
		default:
			unit = u
		}
	}
	return r.metrics[unit], unit
}

func (r row) verdict() string {
	v, _ := r.value()
	most, hasMost := r.metrics[unitAtMost]
	least, hasLeast := r.metrics[unitAtLeast]
	switch {
	case hasMost && v > most, hasLeast && v < least:
		return missed
	case hasMost, hasLeast:
		return met
	}
	return none
}

// cells are name, measured, goal, verdict, figures.
func (r row) cells() []string {
	v, unit := r.value()
	goal := ""
	if g, ok := r.metrics[unitAtMost]; ok {
		goal = "≤ " + number(g) + " " + unit
	}
	if g, ok := r.metrics[unitAtLeast]; ok {
		goal = "≥ " + number(g) + " " + unit
	}
	figures := ""
	if s, ok := r.metrics[unitSubject]; ok {
		figures = span(s) + " to " + span(r.metrics[unitBase])
	}
	return []string{r.name, number(v) + " " + unit, goal, r.verdict(), figures}
}

func number(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".")
}

func span(ns float64) string {
	switch {
	case ns >= 1e6:
		return number(ns/1e6) + " ms"
	case ns >= 1e3:
		return number(ns/1e3) + " µs"
	}
	return number(ns) + " ns"
}

var head = []string{"what", "measured", "goal", "met", "figures: ours to the other's"}

func table(w io.Writer, r result) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, row := range r.rows {
		fmt.Fprintln(t, strings.Join(row.cells(), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return leftOut(w, r)
}

func markdownTable(w io.Writer, r result) error {
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range r.rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row.cells(), " | "))
	}
	return leftOut(w, r)
}

func leftOut(w io.Writer, r result) error {
	for _, what := range r.leftOut {
		if _, err := fmt.Fprintf(w, "left out, %s\n", what); err != nil {
			return err
		}
	}
	return nil
}

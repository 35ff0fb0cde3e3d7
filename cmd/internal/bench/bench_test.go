package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"
)

const printed = `goos: linux
pkg: example/login
BenchmarkRatio/login:_cost_of_an_answer-2         	       1	         1.300 at-most	   3612468 base-ns	         1.175 ratio	   4497381 subject-ns
BenchmarkRatio/login:_speed_to_x/y-2 	       1	         5.000 at-least	  28150763 base-ns	        4.9 ratio	    788825 subject-ns
BenchmarkRatio/login:_allocated-2                                    	       1	       199.6 KB	       300.0 at-most
BenchmarkRatio/login:_memory_of_the_other	       1	       1306 KB
    speed_test.go:1: LEFT OUT, because xmlsec1 is not installed: the comparison
PASS
`

func TestTheTableTellsWhichGoalsAreMet(t *testing.T) {
	r := parse(printed)
	var got []string
	for _, row := range r.rows {
		got = append(got, strings.Join(row.cells(), "|"))
	}
	want := []string{
		"login: cost of an answer|1.18 ×|≤ 1.3 ×|yes|4.5 ms to 3.61 ms",
		"login: speed to x/y|4.9 ×|≥ 5 ×|NO|789 µs to 28.2 ms",
		"login: allocated|200 KB|≤ 300 KB|yes|",
		"login: memory of the other|1306 KB||-|",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"plain":    func(b *bytes.Buffer) error { return table(b, r) },
		"markdown": func(b *bytes.Buffer) error { return markdownTable(b, r) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil || !strings.Contains(b.String(), "left out, because xmlsec1") ||
			strings.Count(b.String(), "\n") < 6 {
			t.Errorf("%s: %v\n%s", name, err, b.String())
		}
	}
}

func TestPackagesTakePartByHavingTheFunction(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	got, err := find(fstest.MapFS{
		"a/speed_test.go":      file("package a\n\nfunc BenchmarkRatio(b *testing.B) {}"),
		"a/b_test.go":          file("package a\n\n// func BenchmarkRatio("),
		"b/speed.go":           file("package b\n\nfunc BenchmarkRatio(b *testing.B) {}"),
		".bin/c/speed_test.go": file("package c\n\nfunc BenchmarkRatio(b *testing.B) {}"),
	})
	if err != nil || len(got) != 1 || got[0] != "./a" {
		t.Fatalf("found %v, %v", got, err)
	}
}

func TestMisuseEndsWithTwo(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-nonsense"}, &out, &errs); code != 2 {
		t.Fatalf("ended with %d", code)
	}
}

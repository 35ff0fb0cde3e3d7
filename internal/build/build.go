// Package build says what is running: which version, built by which Go, for
// which machine.
//
// The version is the one that the build was told (the image's VERSION), else
// that of the module, which Go takes from the repository, else that of the
// commit. It is never made up: a program that was built from files alone says
// "unknown".
package build

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// stamped is set when the program is linked:
// -ldflags "-X sikkerpost.dk/gateway/internal/build.stamped=v1.2.3".
var stamped string

// Version returns the version of this program, or "unknown".
func Version() string {
	info, _ := debug.ReadBuildInfo()
	return version(stamped, info)
}

// GoVersion returns the version of Go that built it.
func GoVersion() string { return runtime.Version() }

// Line returns what a program called name answers to -version, without a line
// break.
func Line(name string) string {
	return fmt.Sprintf("%s %s (%s, %s/%s)", name, Version(), GoVersion(), runtime.GOOS, runtime.GOARCH)
}

func version(stamped string, info *debug.BuildInfo) string {
	if stamped != "" && stamped != "unknown" {
		return stamped
	}
	if info == nil {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, changed string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				changed = "+dirty"
			}
		}
	}
	if revision == "" {
		return "unknown"
	}
	return revision + changed
}

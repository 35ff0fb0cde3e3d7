//go:build linux

package letterbench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// untouched is what the program's pace counts as in use without using it, in bytes.
var untouched uint64

func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// memory is what a child says of its heap when it gets SIGUSR1. In MB.
type memory struct {
	Live, InUse, Idle, Released, Stacks, Other float64
	Goroutines                                 int
	Collections                                uint32
	Faults                                     int64 // pages of memory given to it so far
}

func (m memory) String() string {
	return fmt.Sprintf("live after collection %.1f, heap in use %.1f, idle %.1f of it given back %.1f, stacks %.1f, runtime's own %.1f; %d goroutines, %d collections, %d page faults",
		m.Live, m.InUse, m.Idle, m.Released, m.Stacks, m.Other, m.Goroutines, m.Collections, m.Faults)
}

// tellMemory writes the heap's profile and measures to the files at to.heap and
// to.memory each time that SIGUSR1 comes.
func tellMemory(to string) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			if err := writeMemory(to); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}()
}

func writeMemory(to string) error {
	const mb = 1 << 20
	var before, after runtime.MemStats
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return err
	}
	runtime.ReadMemStats(&before)
	runtime.GC()
	runtime.ReadMemStats(&after)
	f, err := os.Create(to + ".heap")
	if err != nil {
		return err
	}
	if err := errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close()); err != nil {
		return err
	}
	b, err := json.Marshal(memory{Live: float64(after.HeapAlloc-untouched) / mb, InUse: float64(before.HeapInuse-untouched) / mb, Idle: float64(before.HeapIdle) / mb,
		Released: float64(before.HeapReleased) / mb, Stacks: float64(before.StackInuse) / mb,
		Other: float64(before.Sys-before.HeapSys-before.StackSys) / mb, Goroutines: runtime.NumGoroutine(), Collections: before.NumGC, Faults: used.Minflt})
	if err != nil {
		return err
	}
	if err := os.WriteFile(to+".memory.tmp", b, 0o600); err != nil {
		return err
	}
	return os.Rename(to+".memory.tmp", to+".memory")
}

// memories asks desk and dispatcher for their memory after a run, when profiles
// are written; the profiles of their heaps get the run's name.
func (h *house) memories(run string) {
	if *profiles == "" {
		return
	}
	for _, name := range []string{"desk", "dispatcher"} {
		at := filepath.Join(*profiles, name+".pprof")
		_ = os.Remove(at + ".memory")
		h.must(h.process[name].Signal(syscall.SIGUSR1))
		var m memory
		h.until(time.Minute, "the heap of "+name, func() bool {
			b, err := os.ReadFile(at + ".memory")
			return err == nil && json.Unmarshal(b, &m) == nil
		})
		h.must(os.Rename(at+".heap", at+"."+run+".heap"))
		fmt.Fprintf(os.Stderr, "%s: %s: at most %.0f MB resident; now of its own %.0f, of files %.0f; %s\n",
			run, name, h.status(name, "VmHWM"), h.status(name, "RssAnon"), h.status(name, "RssFile"), m)
	}
}

// status returns a size of /proc/PID/status, in MB.
func (h *house) status(name, what string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.pid[name]))
	h.must(err)
	_, rest, _ := strings.Cut(string(text), what+":")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	h.must(err)
	return kb / 1024
}

package bulktls_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/bulktls"
)

// BenchmarkLetter writes a form of 134 KB as net/http does, and reports what the
// writer's own thread spends on it, in user mode and in the kernel.
func BenchmarkLetter(b *testing.B) {
	forms := make([][]byte, 16) // more than fit the processor's cache, as letters come
	for i := range forms {
		forms[i] = noise(134_000)
	}
	p := newPeers(b)
	p.drain = true
	for name, wide := range map[string]bool{"one_call": true, "a_call_for_each_record": false} {
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			below, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", p.address)
			if err != nil {
				b.Fatal(err)
			}
			var c io.Writer
			if wide {
				conn, err := bulktls.Client(b.Context(), below, p.address, p.client, time.Minute)
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
				c = conn
			} else {
				conf := p.client.Clone()
				conf.ServerName = "127.0.0.1"
				conn := tls.Client(below, conf)
				defer conn.Close()
				c = conn
			}
			_, _ = c.Write(make([]byte, 1<<20)) // records have grown
			began := spent(b)
			b.ResetTimer()
			for i := range b.N {
				form := forms[i%len(forms)]
				if _, err := c.Write(form[:4<<10]); err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(c, struct{ io.Reader }{bytes.NewReader(form[4<<10:])}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((spent(b)-began).Microseconds())/float64(b.N), "µs-of-CPU/op")
		})
	}
}

func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(1, &u); err != nil { // RUSAGE_THREAD
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

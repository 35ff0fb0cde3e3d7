package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sikkerpost.dk/gateway/internal/build"
)

// checkTimeout bounds one readiness check: an answer that takes longer is no.
const checkTimeout = 2 * time.Second

// Admin returns the task that serves, in clear and for loopback or the pod
// network only: /metrics (the default Prometheus registry), /livez (the process
// answers) and /readyz (every check of ready passes; 503 when not). /readyz
// answers in JSON with "ok" or "failed" for each check; ?verbose adds the
// reasons. Checks must not put personal data into their errors.
func Admin(listen string, ready map[string]func(context.Context) error) Task {
	return Task{Name: "admin", Run: func(ctx context.Context) error {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", listen, err)
		}
		return AdminOn(l, ready).Run(ctx)
	}}
}

// AdminOn is [Admin] on a listener that is open already.
func AdminOn(l net.Listener, ready map[string]func(context.Context) error) Task {
	publishBuild()
	return Task{Name: "admin", Run: func(ctx context.Context) error {
		server := newServer(adminHandler(ready), slog.New(slog.DiscardHandler))
		return serve(ctx, server, func() error { return server.Serve(l) })
	}}
}

func adminHandler(ready map[string]func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.Handler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"live": true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		errs := check(r.Context(), ready)
		all := true
		checks, reasons := map[string]string{}, map[string]string{}
		for name, err := range errs {
			checks[name] = "ok"
			if err != nil {
				all = false
				checks[name], reasons[name] = "failed", err.Error()
			}
		}
		body := map[string]any{"ready": all, "checks": checks}
		if r.URL.Query().Has("verbose") {
			body["reasons"] = reasons
		}
		status := http.StatusOK
		if !all {
			status = http.StatusServiceUnavailable
		}
		answer(w, status, body)
	})
	return mux
}

// check runs every check at the same time. One that does not keep to its
// context is answered for and left behind.
func check(ctx context.Context, ready map[string]func(context.Context) error) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	type verdict struct {
		name string
		err  error
	}
	verdicts := make(chan verdict, len(ready))
	out := map[string]error{}
	for name, probe := range ready {
		out[name] = context.DeadlineExceeded
		go func() { verdicts <- verdict{name, probe(ctx)} }()
	}
	for range ready {
		select {
		case v := <-verdicts:
			out[v.name] = v.err
		case <-ctx.Done():
			return out
		}
	}
	return out
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller is gone when this fails
}

// publishBuild registers post_build_info once per process, however many
// programs it hosts.
var publishBuild = sync.OnceFunc(func() {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "post_build_info", Help: "Constant 1; the labels say what was built.",
	}, []string{"version", "goversion"})
	prometheus.MustRegister(g)
	g.WithLabelValues(build.Version(), build.GoVersion()).Set(1)
})

package transform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/plugin"
)

// lineageTransport takes one event. It waits no longer than ctx.
type lineageTransport func(ctx context.Context, log *slog.Logger, event []byte) error

// newLineageTransport opens nothing.
func newLineageTransport(c *openLineageConfig) (lineageTransport, error) {
	kind := strings.ToLower(c.Transport)
	if kind != "http" {
		for _, other := range []struct{ key, value string }{{"transport.url", c.URL}, {"transport.auth.api.key", string(c.APIKey)}} {
			if other.value != "" {
				return nil, &plugin.ConfigError{Key: other.key, Reason: other.key + " is for transport.type http, and that is " + kind}
			}
		}
	}
	if kind != "file" && c.Location != "" {
		return nil, &plugin.ConfigError{Key: "transport.location", Reason: "transport.location is for transport.type file, and that is " + kind}
	}
	switch kind {
	case "http":
		return lineageOverHTTP(c)
	case "file":
		if c.Location == "" {
			return nil, &plugin.ConfigError{Key: "transport.location", Reason: "transport.type file needs transport.location, the name of the file"}
		}
		return lineageFile(c.Location), nil
	}
	return lineageLog, nil
}

func lineageLog(_ context.Context, log *slog.Logger, event []byte) error {
	log.Info("lineage", "event", string(event))
	return nil
}

func lineageFile(name string) lineageTransport {
	return func(_ context.Context, _ *slog.Logger, event []byte) error {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(append(event, '\n'))
		return errors.Join(err, f.Close())
	}
}

func lineageOverHTTP(c *openLineageConfig) (lineageTransport, error) {
	if c.URL == "" {
		return nil, &plugin.ConfigError{Key: "transport.url", Reason: "transport.type http needs transport.url, the address of the server"}
	}
	base, err := url.Parse(c.URL)
	switch {
	case err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, &plugin.ConfigError{Key: "transport.url", Reason: "transport.url is written as http://host:port or https://host:port"}
	case base.User != nil:
		return nil, &plugin.ConfigError{Key: "transport.url", Reason: "transport.url has a user in it; a key stands in transport.auth.api.key"}
	}
	// Events are rare: a connection for each keeps nothing open.
	server := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	address, key, timeout := base.JoinPath(c.Endpoint).String(), string(c.APIKey), c.Timeout
	return func(ctx context.Context, _ *slog.Logger, event []byte) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(event))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		answer, err := server.RoundTrip(r) // which follows no redirection, so that the key goes nowhere else
		if err != nil {
			return fmt.Errorf("post to %s: %w", address, err)
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16)) // what it says is of no account
		_ = answer.Body.Close()
		if answer.StatusCode/100 != 2 {
			return fmt.Errorf("post to %s: %s", address, answer.Status)
		}
		return nil
	}, nil
}

// lineageRun sends the events of one task's run, in order.
type lineageRun struct {
	job       *lineageJob
	id        string
	log       *slog.Logger
	transport lineageTransport
}

// follow sends until reports ends, and says then that the run is complete. A failure is warned of, once, and what could not be
// sent is not sent again.
func (r *lineageRun) follow(ctx context.Context, reports <-chan lineageReport) {
	warned := false
	send := func(kind string, seen *lineageReport) {
		event, err := r.job.event(r.id, kind, time.Now(), seen)
		if err == nil {
			err = r.transport(ctx, r.log, event)
		}
		if err != nil && !warned {
			r.log.Warn("lineage could not be reported; records are not affected, and this is said once", "error", err)
			warned = true
		}
	}
	send("START", nil)
	for report := range reports {
		send("RUNNING", &report)
	}
	send("COMPLETE", nil)
}

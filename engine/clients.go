package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/plugin"
)

// clientsOf are the Kafka clients that a worker's settings describe.
func clientsOf(w *config.Worker, l *slog.Logger) kafka.Clients {
	return kafka.Clients{Base: w.Base, Producer: w.Producer, Consumer: w.Consumer, Admin: w.Admin, Logger: l}
}

// roles are the kinds of clients, by the prefix of a connector's overrides.
var roles = map[string]kafka.Role{ //nolint:gochecknoglobals // a literal
	config.ProducerPrefix: kafka.Producer, config.ConsumerPrefix: kafka.Consumer, config.AdminPrefix: kafka.Admin,
}

// CheckClients says what is wrong with the settings of Kafka clients, the worker's and what connectors set over them. It
// opens no file and connects to nothing. declared is where the worker's settings were written, for places; nil: nowhere.
func CheckClients(w *config.Worker, declared *config.Declared, g *graph.Graph) diag.List {
	if declared == nil {
		declared = &config.Declared{}
	}
	clients := clientsOf(w, nil)
	var found diag.List
	told := map[string]bool{} // keys of the worker's settings
	for _, prefix := range []string{config.ProducerPrefix, config.ConsumerPrefix, config.AdminPrefix} {
		if refer(w.Base, byRole(w, prefix)) {
			continue
		}
		for _, e := range clients.Check(roles[prefix], nil) {
			if !told[e.Key] {
				told[e.Key] = true
				found = append(found, wrongClient(declared, prefix[:len(prefix)-len("override.")], e))
			}
		}
	}
	for _, i := range g.Instances {
		for _, prefix := range config.Overrides(i.Role, i.Task.DeadLetter != nil) {
			if refer(w.Base, byRole(w, prefix), i.Config.Sub(prefix)) {
				continue
			}
			for _, e := range clients.Check(roles[prefix], i.Config.Sub(prefix)) {
				if !told[e.Key] {
					found = append(found, wrongClient(i.Declared, prefix, e))
				}
			}
		}
	}
	return found
}

// refer reports whether a map holds a reference, so that nothing can be said of the whole yet.
func refer(maps ...map[string]string) bool {
	for _, m := range maps {
		for _, v := range m {
			if config.Refers(v) {
				return true
			}
		}
	}
	return false
}

// byRole is what a worker says of clients of one role.
func byRole(w *config.Worker, prefix string) map[string]string {
	switch prefix {
	case config.ProducerPrefix:
		return w.Producer
	case config.ConsumerPrefix:
		return w.Consumer
	}
	return w.Admin
}

// wrongClient is a mistake at the place of its property, or of its owner when the property is not there.
func wrongClient(d *config.Declared, prefix string, e *plugin.ConfigError) diag.Diagnostic {
	at := d.Place
	for _, key := range []string{e.Key, prefix + e.Key} {
		if _, ok := d.Map[key]; ok {
			at = d.At(key)
			at.Hidden = at.Hidden || d.IsSecret(key)
		}
	}
	return diag.New(diag.InvalidValue, at, "%s", e.Reason)
}

// reachWithin bounds one try to reach a cluster.
const reachWithin = 10 * time.Second

// Reach asks the worker's cluster for a sign of life. Its error is a [diag.Diagnostic] that says what is wrong and what to
// do: one of [diag.KafkaDown] may pass by itself, the others do not. declared is where the worker's settings were written,
// for places.
func Reach(ctx context.Context, w *config.Worker, declared *config.Declared) error {
	here, err := w.Resolved()
	if err != nil {
		return declared.Missing("", err).Err()
	}
	clients := clientsOf(here, slog.New(slog.DiscardHandler)) // the error says it all
	client, err := clients.AdminClient(map[string]string{"metadata.max.age.ms": "1000"}, "connect-adminclient")
	if c, ok := errors.AsType[*plugin.ConfigError](err); ok {
		d := wrongClient(declared, "admin.", c)
		return &d
	}
	if err != nil {
		return diag.Of(err, diag.InvalidValue).Err()
	}
	defer client.Close()
	within, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	err = client.Ping(within)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if d := kafka.Explain(err); d != nil {
		d.Place = writtenAt(declared, d.Code)
		return d
	}
	d := diag.New(diag.KafkaDown, writtenAt(declared, diag.KafkaDown), "The cluster does not answer as Kafka does: %v.\n\nCompare bootstrap.servers and security.protocol with the cluster's listeners.", err)
	return &d
}

// writtenAt is the place of what a cluster that cannot be worked with is about: how one logs in, or the address.
func writtenAt(d *config.Declared, code diag.Code) diag.Place {
	keys := []string{"bootstrap.servers"}
	if code == diag.LoginRefused {
		keys = []string{"sasl.jaas.config", "sasl.mechanism", "security.protocol", "bootstrap.servers"}
	}
	for _, key := range keys {
		if _, ok := d.Map[key]; ok {
			at := d.At(key)
			at.Hidden = at.Hidden || d.IsSecret(key)
			return at
		}
	}
	return d.Place
}

package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/internal/leader"
	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// newGroup makes the membership of a worker that shares its work.
func (e *Engine) newGroup() *member.Group {
	w := e.Worker.Distributed
	return member.NewGroup(member.GroupSettings{
		Client: e.Clients,
		Group:  w.Group, Session: w.Session, Heartbeat: w.Heartbeat, Rebalance: w.Rebalance,
		Self:   member.Member{Address: e.Address, Plugins: pluginsOf(e.Registry)},
		Logger: e.Logger,
	})
}

// StoreClients makes the clients of a store in a worker's cluster. Its error is a [diag.Diagnostic].
func StoreClients(w *config.Worker, l *slog.Logger) (kafka.Maker, error) {
	here, err := w.Resolved()
	if err != nil {
		return nil, (*config.Declared)(nil).Missing("", err).Err()
	}
	clients := clientsOf(here, l)
	return clients.Own(), nil
}

// CheckCluster refuses a cluster that cannot hold what a distributed worker stores: the development broker, whose
// transactions do not fence (decision D5). Its error is a [diag.Diagnostic], or that of a cluster out of reach.
func CheckCluster(ctx context.Context, w *config.Worker, l *slog.Logger) error {
	maker, err := StoreClients(w, l)
	if err != nil {
		return err
	}
	client, err := maker("connect-adminclient")
	if err != nil {
		return diag.Of(err, diag.InvalidValue).Err()
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	id, err := kafka.ClusterID(ctx, client)
	switch {
	case err != nil:
		return fmt.Errorf("ask for the cluster's id: %w", err)
	case id == kafka.DevelopmentCluster:
		d := diag.New(diag.NotAvailable, diag.Place{}, "The development broker at %s does not serve distributed workers: its transactions do not keep a former leader out.\n\nUse a Kafka cluster, or engine run for one process.", w.Base["bootstrap.servers"])
		return &d
	}
	return nil
}

// pluginsOf is what a worker announces: every plugin that it has, with its version.
func pluginsOf(r *plugin.Registry) map[string]string {
	has := map[string]string{}
	for _, d := range r.All() {
		has[d.Class] = d.Version
	}
	return has
}

// needs is the plugin without which a connector can run nowhere. What else it names is as it is for all workers of a
// release, and a worker that lacks it says so in the connector's status.
func (e *Engine) needs(m config.Map) map[string]string {
	d, known := e.Registry.Connector(m[config.ConnectorClass])
	if !known {
		return nil // nobody has it, as far as is known here; whoever gets it says so
	}
	return map[string]string{d.Class: ""}
}

func (e *Engine) leaderSettings() leader.Settings {
	s := leader.Settings{
		Store: e.Store, Views: &e.views, Confirm: e.member.Confirm, Logger: e.Logger,
		Trouble: func(err error) { e.trouble.Store(&err) },
	}
	if e.Worker.Distributed != nil {
		s.Needs = e.needs
		s.Statuses, s.Delay, s.StopBudget = e.Store.Statuses(), e.Worker.Distributed.Delay, e.Worker.StopTimeout
	}
	return s
}

// seen takes a new view of the group.
func (e *Engine) seen(v member.View) {
	if v.Self != "" {
		e.alone.Store(0)
	} else {
		e.alone.CompareAndSwap(0, time.Now().UnixNano())
	}
	e.views.Set(v)
}

// Membership says since when this worker tries to become a member of its cluster; zero: it is one.
func (e *Engine) Membership() (since time.Time) {
	if at := e.alone.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Put creates a connector or changes its configuration, which has been validated. A refusal is a *[store.RefusedError].
func (e *Engine) Put(ctx context.Context, p store.PutConnector) error {
	return e.submit(ctx, store.Op{Put: &p})
}

// Delete takes a connector away; what runs of it stops afterwards. A refusal is a *[store.RefusedError].
func (e *Engine) Delete(ctx context.Context, d store.DeleteConnector) error {
	return e.submit(ctx, store.Op{Delete: &d})
}

// unanswered says of a request that no leader has answered in time who should have, and why it did not as far as it is known
// here. What was asked for may still be carried out.
func (e *Engine) unanswered() error {
	if why := e.trouble.Load(); why != nil && *why != nil {
		return fmt.Errorf("this worker leads and cannot answer: %w", *why)
	}
	who := "no worker leads, as far as this one knows"
	if v, _ := e.views.View(); v.Leader != "" {
		who = "the leader is " + v.Leader
	}
	return fmt.Errorf("the request was not answered within %s; %s: its log says more", applyWithin, who)
}

// Sync returns once Snapshot has all that was committed before the call (decision D3).
func (e *Engine) Sync(ctx context.Context) error { return e.Store.Sync(ctx) }

// Cluster is who is here and who runs what, as this worker knows it.
type Cluster struct {
	Worker     string // the id of this one
	Leader     string // of who leads; "": nobody, as far as is known here
	Generation int64  // of the group
	Plan       store.Plan
}

// Cluster reads the newest plan and the newest view of the group.
func (e *Engine) Cluster(ctx context.Context) (Cluster, error) {
	s, err := e.Store.Snapshot(ctx)
	if err != nil {
		return Cluster{}, err
	}
	v, _ := e.views.View()
	return Cluster{Worker: e.member.ID(), Leader: v.Leader, Generation: v.Generation, Plan: s.Plan}, nil
}

// ClusterID is the id of a worker's Kafka cluster, "" when no broker tells it within a second. [Engine.ClusterID] remembers.
func ClusterID(ctx context.Context, w *config.Worker, l *slog.Logger) string {
	maker, err := StoreClients(w, l)
	if err != nil {
		return ""
	}
	client, err := maker("connect-adminclient")
	if err != nil {
		return ""
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, idWithin)
	defer cancel()
	id, err := kafka.ClusterID(ctx, client)
	if err != nil {
		l.Debug("the cluster id is not known yet", "error", err)
		return ""
	}
	return id
}

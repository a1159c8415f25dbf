package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/broker"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/plugins"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/memory"
)

// restWorker is an engine with its REST API, as `engine run` wires them, whose pipelines a test declares.
type restWorker struct {
	address, admin string
	engine         *engine.Engine
	declared       map[string]*config.Declared
	shared         bool               // it is a worker of a cluster, whose connectors are not declared
	end            func(t *testing.T) // of a worker of a cluster: stops it in good order; harmless when repeated
}

// testLog writes what workers log to the output of a test.
func testLog(t *testing.T) slog.Handler {
	return slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})
}

// testKafka is a Kafka that has transactions, which the development broker refuses: a fake one, or the genuine one that
// ENGINE_TEST_KAFKA names. Groups, and topics that others must not see, go through name.
type testKafka struct {
	servers, suffix string
	fake            *kfake.Cluster // nil: the genuine one
}

func (k testKafka) name(s string) string { return s + k.suffix }

// startTestKafka gives a test its Kafka with topics of just these names, which recorded calls have in them; on a genuine one
// they stay for others.
func startTestKafka(t *testing.T, topics ...string) testKafka {
	t.Helper()
	k := testKafka{servers: os.Getenv("ENGINE_TEST_KAFKA")}
	if k.servers == "" {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fake.Close)
		k.servers, k.fake = strings.Join(fake.ListenAddrs(), ","), fake
		return k
	}
	k.suffix = "-" + strings.ToLower(rand.Text()[:8])
	client, err := kgo.NewClient(kgo.SeedBrokers(k.servers))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, topic := range topics {
		if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			t.Fatal(err)
		}
	}
	return k
}

// withhold makes a broker put off workers with an error that passes, for as long as it lives: those that look where a topic
// ends, or those that look for their group.
func withhold(k *kfake.Cluster, what string) {
	switch what {
	case "starting":
		k.ControlKey(int16(kmsg.ListOffsets), func(q kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			asked, _ := q.(*kmsg.ListOffsetsRequest)
			answer, _ := q.ResponseKind().(*kmsg.ListOffsetsResponse)
			for _, t := range asked.Topics {
				to := kmsg.NewListOffsetsResponseTopic()
				to.Topic = t.Topic
				for _, p := range t.Partitions {
					at := kmsg.NewListOffsetsResponseTopicPartition()
					at.Partition, at.ErrorCode = p.Partition, kerr.OffsetNotAvailable.Code
					to.Partitions = append(to.Partitions, at)
				}
				answer.Topics = append(answer.Topics, to)
			}
			return answer, nil, true
		})
	case "joining":
		k.ControlKey(int16(kmsg.FindCoordinator), func(q kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			asked, _ := q.(*kmsg.FindCoordinatorRequest)
			answer, _ := q.ResponseKind().(*kmsg.FindCoordinatorResponse)
			answer.ErrorCode = kerr.CoordinatorNotAvailable.Code
			for _, key := range asked.CoordinatorKeys {
				to := kmsg.NewFindCoordinatorResponseCoordinator()
				to.Key, to.ErrorCode = key, kerr.CoordinatorNotAvailable.Code
				answer.Coordinators = append(answer.Coordinators, to)
			}
			return answer, nil, true
		})
	}
}

// sharedSettings are the properties of a worker of a cluster.
func sharedSettings(k testKafka, settings map[string]string) string {
	all := map[string]string{
		"bootstrap.servers": k.servers, "group.id": "connect-cluster", "listeners": "http://127.0.0.1:0",
		"config.storage.topic": k.name("connect-configs"), "offset.storage.topic": k.name("connect-offsets"), "status.storage.topic": k.name("connect-status"),
		"config.storage.replication.factor": "1", "offset.storage.replication.factor": "1", "status.storage.replication.factor": "1",
		"config.providers": "file", "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
	}
	maps.Copy(all, settings)
	var file strings.Builder
	for key, v := range all {
		fmt.Fprintf(&file, "%s=%s\n", key, v)
	}
	return file.String()
}

// startShared starts a worker of a cluster, as `engine worker` wires it, and waits until it has read its topics. Its group
// has the name that recorded calls have in them, unless settings name another.
func startShared(t *testing.T, k testKafka, settings map[string]string, beside ...plugin.Descriptor) *restWorker {
	t.Helper()
	r, started, ended := launchShared(t, k, settings, beside...)
	select {
	case r.engine = <-started:
	case err := <-ended:
		t.Fatal(err)
	}
	return r
}

// launchShared starts a worker of a cluster, whose API answers.
func launchShared(t *testing.T, k testKafka, settings map[string]string, beside ...plugin.Descriptor) (*restWorker, <-chan *engine.Engine, <-chan error) {
	t.Helper()
	name := write(t, t.TempDir(), "connect-distributed.properties", sharedSettings(k, settings))
	w := &clustered{process: process{args: nil, out: io.Discard, err: t.Output(), env: func(string) (string, bool) { return "", false }}}
	w.loggers = api.NewLoggers(testLog(t), slog.LevelInfo)
	w.log = w.loggers.Logger(engineLogger)
	if err := w.load([]string{name}); err != nil {
		t.Fatal(err)
	}
	registry, err := plugin.NewRegistry(append(plugins.All(), beside...))
	if err != nil {
		t.Fatal(err)
	}
	w.project.registry = registry
	if err := w.listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := &restWorker{address: w.sockets.public[0].Addr().String(), shared: true}
	if len(w.sockets.admin) > 0 {
		r.admin = w.sockets.admin[0].Addr().String()
	}
	started, ended := make(chan *engine.Engine, 1), make(chan error, 1)
	w.started = func(e *engine.Engine) { started <- e }
	life, end := context.WithCancel(context.Background())
	go func() { ended <- w.serve(life); close(ended) }()
	r.end = func(t *testing.T) {
		t.Helper()
		end()
		if err := w.told(life, <-ended); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { r.end(t) })
	return r, started, ended
}

// startWorker starts one with the built-in plugins and others beside them.
func startWorker(t *testing.T, settings map[string]string, beside ...plugin.Descriptor) *restWorker {
	t.Helper()
	registry, err := plugin.NewRegistry(append(plugins.All(), beside...))
	if err != nil {
		t.Fatal(err)
	}
	worker, found := config.ReadWorker(&config.Declared{Map: settings}, registry)
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	b, err := broker.Start(broker.Settings{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	worker.Base["bootstrap.servers"] = b.Addr()
	st := memory.Open()
	t.Cleanup(func() { _ = st.Close() })
	loggers := api.NewLoggers(slog.DiscardHandler, slog.LevelInfo)
	e := engine.New(engine.Settings{Registry: registry, Worker: worker, Store: st, Logger: loggers.Logger(engineLogger), CreateTopics: true})
	sockets, err := openSockets(t.Context(), worker, &config.Declared{})
	if err != nil {
		t.Fatal(err)
	}
	w := &restWorker{engine: e, address: sockets.public[0].Addr().String(), declared: map[string]*config.Declared{}}
	if len(sockets.admin) > 0 {
		w.admin = sockets.admin[0].Addr().String()
	}
	declaredIn := func(string) string { return "pipelines.hcl" }
	served, err := serveREST(t.Context(), sockets, api.Settings{
		Connectors: e, Operator: e, Offsets: e, Registry: registry, Worker: worker, Loggers: loggers, Commit: "test",
		ClusterID: e.ClusterID, File: declaredIn, Beyond: beyondOf(e, declaredIn), Metrics: e.Metrics(), Logger: loggers.Logger(restLogger),
	})
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- e.Run(life, func(context.Context) error { close(started); return nil })
	}()
	t.Cleanup(func() {
		served.close()
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-started
	return w
}

// declare makes a connector what a file would say, nil for gone, and waits until it is.
func (w *restWorker) declare(t *testing.T, name string, m map[string]any, state string) error {
	t.Helper()
	delete(w.declared, name)
	if m != nil {
		flat := config.Map{}
		for k, v := range m {
			flat[k] = fmt.Sprint(v)
		}
		if flat[config.Name] == "" {
			flat[config.Name] = name
		}
		d := &config.Declared{Map: flat, Label: name, Place: diag.Place{File: "pipelines.hcl"}}
		d.Target = map[string]config.Target{"STOPPED": config.Stopped, "PAUSED": config.Paused, "RUNNING": config.Started}[strings.ToUpper(state)]
		w.declared[name] = d
	}
	if err := w.apply(t); err != nil {
		return err
	}
	if d := w.declared[name]; d != nil {
		d.Target = "" // of the creation only; somebody may ask for another afterwards
	}
	return nil
}

func (w *restWorker) apply(t *testing.T) error {
	t.Helper()
	var ds []*config.Declared
	for _, d := range w.declared {
		ds = append(ds, d)
	}
	if _, err := w.engine.Apply(t.Context(), ds); err != nil {
		return err
	}
	return w.settle(t)
}

// settle waits until every connector has said how it is, with its tasks, and nothing of others is left.
func (w *restWorker) settle(t *testing.T) error {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := w.engine.Snapshot(t.Context())
		if err != nil {
			return err
		}
		all, err := w.engine.Statuses(t.Context())
		if err != nil {
			return err
		}
		if settled(s, all) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not settled: %+v", all)
		}
		<-tick.C
	}
}

func settled(s *store.Snapshot, all []store.Status) bool {
	state := func(connector string, task int) store.State {
		i := slices.IndexFunc(all, func(st store.Status) bool { return st.Connector == connector && st.Task == task })
		if i < 0 {
			return ""
		}
		return all[i].State
	}
	for name, c := range s.Connectors {
		is := state(name, store.Instance)
		if is == "" || is == store.StateUnassigned || is == store.StateRestarting {
			return false
		}
		if is == store.StateRunning && (len(c.Tasks) == 0 || c.TasksFor != c.Revision) {
			return false
		}
		// Tasks of an older configuration have ended; while the connector rests, nothing makes others (invariant 4).
		old := c.TasksFor != c.Revision
		for n := range c.Tasks {
			if is := state(name, n); (is == "" || is == store.StateUnassigned) != old {
				return false
			}
		}
	}
	for _, st := range all {
		if _, exists := s.Connectors[st.Connector]; !exists && st.State != store.StateUnassigned {
			return false
		}
	}
	return true
}

// wipe takes all connectors away.
func (w *restWorker) wipe(t *testing.T) {
	t.Helper()
	if w.engine == nil {
		return // it has not read any
	}
	if w.shared {
		if err := w.engine.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := w.engine.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range s.Names() {
			if err := w.engine.Delete(t.Context(), store.DeleteConnector{Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.settle(t); err != nil {
			t.Fatal(err)
		}
		return
	}
	clear(w.declared)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
}

package topic_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/topic"
)

func connector(name string) *store.Connector {
	return &store.Connector{Name: name, Config: config.Map{"name": name, "v": "1"}, Target: config.Started}
}

func put(cs ...*store.Connector) store.Commit {
	c := store.Commit{Connectors: map[string]*store.Connector{}}
	for _, conn := range cs {
		c.Connectors[conn.Name] = conn
	}
	return c
}

func claim(t *testing.T, s *topic.Store) func(store.Commit) store.Revision {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	f, err := s.Claim(ctx)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return func(c store.Commit) store.Revision {
		t.Helper()
		r, err := s.Commit(t.Context(), f, c)
		if err != nil {
			t.Fatalf("commit: %v", err)
		}
		return r
	}
}

func snapshot(t *testing.T, s *topic.Store) *store.Snapshot {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if err := s.Sync(ctx); err != nil {
		t.Fatalf("sync: %v", err)
	}
	got, err := s.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: got (+), want (-):\n%s", what, diff)
	}
}

// texts are records as "key value", a tombstone's value being "-", without the heads of plans.
func texts(rs []*kgo.Record) []string {
	var all []string
	for _, r := range rs {
		value := "-"
		if r.Value != nil {
			value = string(r.Value)
		}
		if string(r.Key) != "plan" {
			all = append(all, string(r.Key)+" "+value)
		}
	}
	return all
}

func TestAnotherWorkerReadsAndAsks(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	leading, other := c.open(), c.open()
	commit := claim(t, leading)
	r := commit(put(connector("a")))
	if got := snapshot(t, other); got.Revision != r || got.Connectors["a"].Incarnation != r {
		t.Errorf("got %+v, want revision %d", got, r)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		a, err := other.Submit(t.Context(), store.Request{ID: "1", Ops: []store.Op{{Delete: &store.DeleteConnector{Name: "a"}}}})
		if err != nil || a.Refusal != store.Conflict || a.Reason != "no" {
			t.Errorf("got %+v, %v", a, err)
		}
	})
	rs, err := leading.Requests(t.Context())
	if err != nil || len(rs) != 1 || rs[0].Ops[0].Delete.Name != "a" {
		t.Fatalf("got %+v, %v", rs, err)
	}
	commit(store.Commit{Answers: []store.Answer{{ID: "1", Refusal: store.Conflict, Reason: "no"}}})
	wg.Wait()
	if got := snapshot(t, other).Revision; got != r {
		t.Errorf("revision %d after an answer that changed nothing, want %d", got, r)
	}
}

// TestOrderOfRecords: what a worker of Kafka Connect reads, in an order that it can live with.
func TestOrderOfRecords(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.open()
	commit := claim(t, s)
	written := 0
	wrote := func(what string, want ...string) {
		t.Helper()
		all := texts(c.records(c.settings().Config.Name, kgo.ReadCommitted()))
		same(t, what, all[written:], want)
		written = len(all)
	}
	a := connector("a")
	a.Target = config.Paused
	commit(put(a))
	wrote("create", `target-state-a {"state":"PAUSED","state.v2":"PAUSED"}`, `connector-a {"properties":{"name":"a","v":"1"}}`)

	now := snapshot(t, s).Connectors["a"]
	now.Tasks, now.TasksFor, now.Target = []config.Map{{"t": "0"}, {"t": "1"}}, now.Revision, config.Started
	commit(put(&now))
	wrote("tasks, and resume", `task-a-0 {"properties":{"t":"0"}}`, `task-a-1 {"properties":{"t":"1"}}`, `commit-a {"tasks":2}`, `target-state-a {"state":"STARTED","state.v2":"STARTED"}`)

	commit(put(&now))
	wrote("nothing new")

	now = snapshot(t, s).Connectors["a"]
	now.Config, now.Revision = config.Map{"v": "2"}, 0
	commit(put(&now))
	wrote("update", `connector-a {"properties":{"v":"2"}}`)
	if got := snapshot(t, s).Connectors["a"]; got.TasksFor >= got.Revision || len(got.Tasks) != 2 {
		t.Errorf("got tasks for %d of revision %d, want older ones", got.TasksFor, got.Revision)
	}

	now = snapshot(t, s).Connectors["a"]
	now.Restarts, now.TaskRestart, now.TaskTarget = 1, map[int]int{1: 1}, map[int]config.Target{0: config.Paused}
	commit(put(&now))
	inc := now.Incarnation
	wrote("restart, and one task paused", `restart-connector-a {"include-tasks":true,"only-failed":false}`, fmt.Sprintf(`targets-a {"incarnation":%d,"tasks":{"0":"PAUSED"}}`, inc))
	same(t, "asked", snapshot(t, s).Connectors["a"], now)

	now.Target, now.Tasks, now.TasksFor, now.TaskRestart, now.TaskTarget = config.Stopped, []config.Map{}, now.Revision, nil, nil
	commit(put(&now))
	wrote("stop", `commit-a {"tasks":0}`, `target-state-a {"state":"PAUSED","state.v2":"STOPPED"}`, `restart-connector-a {"include-tasks":true,"only-failed":false}`, `targets-a -`)
	same(t, "stopped", snapshot(t, s).Connectors["a"], now)

	commit(store.Commit{Connectors: map[string]*store.Connector{"a": nil, "never": nil}})
	wrote("delete", `connector-a -`, `target-state-a -`, `task-a-0 -`, `task-a-1 -`, `commit-a -`, `restart-connector-a -`)
	commit(put(connector("a")))
	wrote("create again", `connector-a {"properties":{"name":"a","v":"1"}}`)
	if got := snapshot(t, s).Connectors["a"]; got.Tasks != nil || got.Restarts != 0 || got.Incarnation == inc {
		t.Errorf("got what was left of the former: %+v", got)
	}
}

// TestSharesOfAPlan: only members whose placements change are written (rule 1 of D2).
func TestSharesOfAPlan(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.open()
	commit := claim(t, s)
	of := func(member string, epoch int64) store.Placement {
		return store.Placement{Connector: "on-" + member, Task: store.Instance, Member: member, Epoch: epoch}
	}
	plans := []store.Plan{
		{Epoch: 1, Members: []string{"m", "n"}, Placements: []store.Placement{of("m", 1), of("n", 1)}},
		{Epoch: 2, Members: []string{"m", "n"}, Placements: []store.Placement{of("m", 1), of("n", 2)}},
		{Epoch: 3, Members: []string{"m"}, Placements: []store.Placement{of("m", 1)}},
	}
	for _, p := range plans {
		commit(store.Commit{Plan: &p})
		same(t, "plan", snapshot(t, s).Plan, p)
	}
	var keys []string
	for _, text := range texts(c.records(c.settings().Config.Name, kgo.ReadCommitted())) {
		key, value, _ := strings.Cut(text, " ")
		if value == "-" {
			key += " taken away"
		}
		keys = append(keys, key)
	}
	same(t, "records", keys, []string{"plan-m", "plan-n", "plan-n", "plan-n taken away"})
}

func TestTooLargeIsRefusedBefore(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	settings := c.settings()
	settings.Config.Configs = map[string]string{"max.message.bytes": "20000"}
	s, err := topic.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // in a test of something else
	f, err := s.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	big := connector("big")
	big.Config["v"] = strings.Repeat("x", 20_000)
	_, err = s.Commit(t.Context(), f, put(connector("small"), big))
	large, ok := errors.AsType[*store.TooLargeError](err)
	if !ok || !errors.Is(err, store.ErrNotStored) || large.Connector != "big" || large.Limit != 20_000 {
		t.Fatalf("got %v", err)
	}
	if got := snapshot(t, s).Names(); len(got) != 0 {
		t.Errorf("got %v, want nothing of it", got)
	}
	a, err := s.Submit(t.Context(), store.Request{ID: "1", Ops: []store.Op{{Put: &store.PutConnector{Name: "big", Config: big.Config}}}})
	if err != nil || a.Refusal != store.TooLarge || !strings.Contains(a.Reason, "connector big") {
		t.Errorf("request: got %+v, %v", a, err)
	}
	if _, err := s.Commit(t.Context(), f, put(connector("small"))); err != nil {
		t.Errorf("the claim is worth nothing after a refusal: %v", err)
	}
	big.Config["v"] = strings.Repeat("x", 19_600)
	if _, err := s.Commit(t.Context(), f, put(big)); err != nil {
		t.Errorf("just below the limit: %v", err)
	}
}

// TestClocksOfWorkersMayDiffer: a request has as much time as its maker gave it, by the clock of whoever reads it; one that
// was there before the reader has what its deadline says.
func TestClocksOfWorkersMayDiffer(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-10 * time.Minute, 10 * time.Minute, 0} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			s := c.open()
			made := time.Now().Add(off)
			deadline := made.Add(30 * time.Second)
			value := fmt.Sprintf(`{"deadline":%q,"ops":[{"delete":{"name":"a"}}]}`, deadline.UTC().Format(time.RFC3339Nano))
			c.produce(c.settings().Config.Name, &kgo.Record{Key: []byte("request-1"), Value: []byte(value), Timestamp: made})
			ctx, stop := context.WithTimeout(t.Context(), patience)
			defer stop()
			asked, err := s.Requests(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(asked[0].Deadline); left < 20*time.Second || left > 31*time.Second {
				t.Errorf("got %s left of 30s", left)
			}
			if asked, err = c.open().Requests(ctx); err != nil {
				t.Fatal(err)
			}
			if got := asked[0].Deadline; !got.Equal(deadline) {
				t.Errorf("read later: got %s, want %s", got, deadline)
			}
		})
	}
}

func TestAnotherClustersTopicsAreRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	first := c.open()
	claim(t, first)(put(connector("a")))
	settings := c.settings()
	settings.Group = "other"
	if _, err := topic.Open(t.Context(), settings); !errors.Is(err, topic.ErrForeign) {
		t.Fatalf("open: got %v, want ErrForeign", err)
	}
	// While running, too: nothing goes on after it.
	c.produce(settings.Config.Name, &kgo.Record{Key: []byte("plan"), Value: []byte(`{"version":9}`)})
	if _, err := first.Wait(t.Context(), 1<<40); !errors.Is(err, topic.ErrPlanVersion) {
		t.Errorf("wait: got %v, want ErrPlanVersion", err)
	}
	if _, err := first.Snapshot(t.Context()); !errors.Is(err, topic.ErrPlanVersion) {
		t.Errorf("snapshot: got %v, want ErrPlanVersion", err)
	}
	if err := first.Offsets().Commit(t.Context(), "a", []store.Offset{{Partition: []byte(`{"p":1}`), Value: []byte(`{"o":2}`)}}); err != nil {
		t.Errorf("what stops cannot store how far it has come: %v", err)
	}
	if _, err := topic.Open(t.Context(), c.settings()); !errors.Is(err, topic.ErrPlanVersion) {
		t.Errorf("open: got %v, want ErrPlanVersion", err)
	}
	// Of each key the newest record counts, whether or not the older ones are compacted yet.
	c.produce(settings.Config.Name, &kgo.Record{Key: []byte("plan"), Value: fmt.Appendf(nil, `{"version":1,"group.id":%q,"epoch":2}`, c.group)})
	again := c.open()
	same(t, "names", snapshot(t, again).Names(), []string{"a"})
	got, err := again.Offsets().Read(t.Context(), "a", [][]byte{[]byte(`{"p":1}`)})
	if err != nil || string(got[0]) != `{"o":2}` {
		t.Errorf("offset: got %s, %v", got, err)
	}
}

func TestLeadersFenceEachOther(t *testing.T) {
	t.Parallel()
	c := genuine(t)
	one, two := c.open(), c.open()
	first, err := one.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.Commit(t.Context(), first, put(connector("a"))); err != nil {
		t.Fatal(err)
	}
	commit := claim(t, two)
	commit(put(connector("b")))
	for range 2 { // the second time without asking a broker
		if _, err := one.Commit(t.Context(), first, put(connector("late"))); !errors.Is(err, store.ErrFenced) {
			t.Errorf("got %v, want ErrFenced", err)
		}
	}
	commit(put(connector("c")))
	same(t, "names", snapshot(t, one).Names(), []string{"a", "b", "c"})
	claim(t, one)(put(connector("d")))
	same(t, "names at the other", snapshot(t, two).Names(), []string{"a", "b", "c", "d"})
}

// TestWhatALeaderLeftAborted: one that dies between produce and commit leaves records that a worker of Kafka Connect would
// act on, since it reads uncommitted ones. After the next claim such a reader sees what is committed (rule 4 of D2).
func TestWhatALeaderLeftAborted(t *testing.T) {
	t.Parallel()
	c := genuine(t)
	name := c.settings().Config.Name
	s := c.open()
	commit := claim(t, s)
	stays, whole := connector("stays"), connector("whole")
	stays.Tasks = []config.Map{{"t": "0"}, {"t": "1"}}
	commit(put(stays, whole, connector("paused")))
	before := snapshot(t, s)

	died := c.helper(kgo.TransactionalID("connect-cluster-"+c.group), kgo.TransactionTimeout(time.Minute))
	if err := died.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, kv := range [][2]string{
		{"task-stays-0", `{"properties":{"t":"wrong"}}`}, // and died before the commit record
		{"connector-whole", `{"properties":{"v":"wrong"}}`}, {"connector-new", `{"properties":{"v":"wrong"}}`}, {"task-new-0", `{"properties":{"v":"wrong"}}`}, {"commit-new", `{"tasks":1}`},
		{"connector-paused", ""}, {"target-state-paused", `{"state":"PAUSED","state.v2":"PAUSED"}`},
	} {
		r := &kgo.Record{Topic: name, Key: []byte(kv[0])}
		if kv[1] != "" {
			r.Value = []byte(kv[1])
		}
		if err := died.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	claim(t, s)
	same(t, "connectors", snapshot(t, s).Connectors, before.Connectors)

	newest := map[string]string{}
	for _, text := range texts(c.records(name, kgo.ReadUncommitted())) {
		key, value, _ := strings.Cut(text, " ")
		newest[key] = value
	}
	for key, want := range map[string]string{
		"task-stays-0": `{"properties":{"t":"0"}}`, "task-stays-1": `{"properties":{"t":"1"}}`, "commit-stays": `{"tasks":2}`,
		"connector-whole": `{"properties":{"name":"whole","v":"1"}}`, "connector-paused": `{"properties":{"name":"paused","v":"1"}}`,
		"connector-new": "-", "task-new-0": "-", "commit-new": "-", "target-state-paused": "-",
	} {
		if newest[key] != want {
			t.Errorf("%s: a reader of uncommitted records sees %s, want %s", key, newest[key], want)
		}
	}
	last := ""
	for _, text := range texts(c.records(name, kgo.ReadUncommitted())) {
		if strings.HasPrefix(text, "task-stays") || strings.HasPrefix(text, "commit-stays") {
			last = text
		}
	}
	if last != `commit-stays {"tasks":2}` {
		t.Errorf("the task set ends with %s, want its commit", last)
	}
	written := len(c.records(name, kgo.ReadUncommitted()))
	claim(t, s)
	if again := len(c.records(name, kgo.ReadUncommitted())); again != written {
		t.Errorf("the next claim wrote %d records, want none", again-written)
	}
	c.open() // and who starts now reads the same
}

// TestALeaderThatStopsMidway: the claim of a leader whose commit ran out of time is worth nothing, and nothing of the commit
// is read.
func TestALeaderThatStopsMidway(t *testing.T) {
	t.Parallel()
	c := genuine(t)
	s := c.open()
	f, err := s.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c.produced.Store(&cancel)
	if _, err := s.Commit(ctx, f, put(connector("a"))); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the context's error", err)
	}
	if _, err := s.Commit(t.Context(), f, put(connector("b"))); !errors.Is(err, store.ErrFenced) {
		t.Errorf("got %v, want ErrFenced", err)
	}
	c.produced.Store(nil)
	claim(t, s)(put(connector("c")))
	same(t, "names", snapshot(t, s).Names(), []string{"c"})
	if got := texts(c.records(c.settings().Config.Name, kgo.ReadUncommitted())); !slices.Contains(got, "connector-a -") {
		t.Errorf("got %v, want a tombstone for what was aborted", got)
	}
}

// TestOpenTransactions: configurations are read up to the transaction that a leader is in, or was in when it died; offsets
// behind an open one are waited for, since they are committed.
func TestOpenTransactions(t *testing.T) {
	t.Parallel()
	c := genuine(t)
	s := c.open()
	r := claim(t, s)(put(connector("a")))
	holds := c.helper(kgo.TransactionalID(c.group+"-holds"), kgo.TransactionTimeout(time.Minute))
	if err := holds.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, of := range []string{c.settings().Config.Name, c.settings().Offsets.Name} {
		if err := holds.ProduceSync(t.Context(), &kgo.Record{Topic: of, Key: []byte(`["x",{}]`), Value: []byte(`1`)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if got := snapshot(t, s).Revision; got != r {
		t.Errorf("got revision %d, want %d", got, r)
	}
	commitOffset(t, s, "x", `{}`, `2`) // in the same Kafka partition, as its key is the same
	ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer stop()
	if got, err := s.Offsets().Read(ctx, "x", [][]byte{[]byte(`{}`)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %s, %v, want to wait", got, err)
	}
	if err := holds.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, "x", `{}`); got != "2" {
		t.Errorf("got %q", got)
	}
}

// TestALargeCommit is more than a batch may have, in one transaction.
func TestALargeCommit(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.open()
	var all []*store.Connector
	for i := range 1000 {
		conn := connector(fmt.Sprintf("c%04d", i))
		conn.Config["v"] = strings.Repeat("x", 1000)
		conn.Tasks = []config.Map{conn.Config, conn.Config}
		all = append(all, conn)
	}
	r := claim(t, s)(put(all...))
	got := snapshot(t, c.open())
	if len(got.Connectors) != len(all) || got.Revision != r || got.Connectors["c0999"].TasksFor != r {
		t.Errorf("got %d connectors at revision %d, want %d at %d", len(got.Connectors), got.Revision, len(all), r)
	}
}

// TestBrokersThatDoNotAnswer: a call ends with its context, whatever is on its way, and the store closes.
func TestBrokersThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	if c.fake == nil {
		t.Skip("needs a fake, which can be silent")
	}
	s := c.open()
	f, err := s.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	defer close(hold)
	c.fake.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		c.fake.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	for what, call := range map[string]func(ctx context.Context) error{
		"commit": func(ctx context.Context) error { return second(s.Commit(ctx, f, put(connector("a")))) },
		"submit": func(ctx context.Context) error { _, err := s.Submit(ctx, store.Request{ID: "1"}); return err },
		"offsets": func(ctx context.Context) error {
			return s.Offsets().Commit(ctx, "a", []store.Offset{{Partition: []byte("{}"), Value: []byte("1")}})
		},
		"status": func(ctx context.Context) error { return s.Statuses().Put(ctx, store.Status{Connector: "a"}) },
	} {
		ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want the context's error", what, err)
		}
		stop()
	}
}

// BenchmarkRequest is the road of a write: asked on one worker, committed by another, answered when the first has read it.
func BenchmarkRequest(b *testing.B) {
	c := newCluster(b)
	leading, other := c.open(), c.open()
	f, err := leading.Claim(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			rs, err := leading.Requests(ctx)
			if err != nil {
				return
			}
			commit := put(connector("a"))
			for _, r := range rs {
				commit.Answers = append(commit.Answers, store.Answer{ID: r.ID})
			}
			if _, err := leading.Commit(ctx, f, commit); err != nil && ctx.Err() == nil {
				b.Errorf("commit: %v", err)
				return
			}
		}
	})
	for b.Loop() {
		if a, err := other.Submit(b.Context(), store.Request{ID: store.NewID()}); err != nil || a.Refusal != "" {
			b.Fatal(a, err)
		}
	}
	stop()
	wg.Wait()
}

package task_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin/plugintest"
)

// rival is a member of the sink's consumer group that does only what a test says. Its session outlasts the tests.
type rival struct {
	t      *testing.T
	client *kgo.Client
	group  string
	topic  string
	id     string
}

func newRival(t *testing.T, c *kafkatest.Cluster, clientID string) *rival {
	t.Helper()
	client, err := c.Clients().AdminClient(nil, clientID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &rival{t: t, client: client, group: "connect-" + c.Name("snk"), topic: c.Name("in")}
}

// join returns once the group has a generation with the rival.
func (r *rival) join(ctx context.Context) error {
	said := kmsg.NewConsumerMemberMetadata()
	said.Topics = []string{r.topic}
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = "range", said.AppendTo(nil)
	for {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.MemberID, req.ProtocolType = r.group, r.id, "consumer"
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 45_000, 60_000
		req.Protocols = append(req.Protocols, protocol)
		res, err := req.RequestWith(ctx, r.client)
		if err != nil {
			return err
		}
		r.id = res.MemberID
		switch err := kerr.ErrorForCode(res.ErrorCode); {
		case errors.Is(err, kerr.MemberIDRequired):
			continue
		case err != nil:
			return err
		}
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Group, sync.MemberID, sync.Generation = r.group, r.id, res.Generation
		sync.ProtocolType, sync.Protocol = new("consumer"), new("range")
		if res.LeaderID == r.id { // everything for itself, so that nobody else has anything
			mine := kmsg.NewConsumerMemberAssignment()
			mine.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: r.topic, Partitions: []int32{0}}}
			for _, m := range res.Members {
				a := kmsg.NewSyncGroupRequestGroupAssignment()
				if a.MemberID = m.MemberID; m.MemberID == r.id {
					a.MemberAssignment = mine.AppendTo(nil)
				}
				sync.GroupAssignment = append(sync.GroupAssignment, a)
			}
		}
		synced, err := sync.RequestWith(ctx, r.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(synced.ErrorCode)
	}
}

// here lists the members of the rival's group, and the group's state.
func (r *rival) here() (ids []string, state string) {
	r.t.Helper()
	got, err := kadm.NewClient(r.client).DescribeGroups(r.t.Context(), r.group)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range got[r.group].Members {
		ids = append(ids, m.MemberID)
	}
	slices.Sort(ids)
	return ids, got[r.group].State
}

// countJoins counts the JoinGroup requests of clients.
func countJoins(c *kafka.Clients) *atomic.Int64 {
	n, dial := new(atomic.Int64), c.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	c.Dial = func(ctx context.Context, network, host string) (net.Conn, error) {
		conn, err := dial(ctx, network, host)
		if err != nil {
			return nil, err
		}
		return &overheard{conn, n}, nil
	}
	return n
}

type overheard struct {
	net.Conn
	joins *atomic.Int64
}

// Write sees a request begin with its size and its key.
func (o *overheard) Write(b []byte) (int, error) {
	if len(b) > 6 && kmsg.Key(binary.BigEndian.Uint16(b[4:])) == kmsg.JoinGroup {
		o.joins.Add(1)
	}
	return o.Conn.Write(b)
}

// TestSinkStopsInTheMiddleOfARebalance that somebody else holds up: within its budget, and without staying in the group.
func TestSinkStopsInTheMiddleOfARebalance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		settled bool // the sink had partitions before
	}{{"of its first", false}, {"of another", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Start(t, "in")
			produce(k, "in", "1", "2")
			other := newRival(t, k, "rival")
			snk := &plugintest.RecordingSink{}
			s := sink(t, k, snk, "in")
			s.StopBudget = 4 * time.Second
			joins, before := countJoins(&s.Clients), int64(0)
			join := func() {
				if err := other.join(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if !c.settled {
				join()
			}
			r := start(t, s)
			if c.settled {
				snk.AwaitRecords(t, 2)
				join() // the sink beats, so the group has both soon
				before = joins.Load()
				third := newRival(t, k, "third")
				ctx, cancel := context.WithCancel(t.Context())
				joined := make(chan error, 1)
				go func() { joined <- third.join(ctx) }()
				defer func() {
					cancel()
					if err := <-joined; err == nil {
						t.Error("the third member has joined; this test shows nothing")
					}
				}()
			}
			r.await("a rebalance that the rival holds up", func() bool {
				ids, state := other.here()
				return state == "PreparingRebalance" && len(ids) >= 2
			})
			if c.settled {
				snk.AwaitCalls(t, "task.close", 1) // the sink has noticed, too
				r.await("the sink to join again", func() bool { return joins.Load() > before })
			}
			began := time.Now()
			if err := r.halt(); err != nil {
				t.Errorf("got %v, want a stop", err)
			}
			if took := time.Since(began); took > s.StopBudget {
				t.Errorf("the stop took %s, more than %s", took, s.StopBudget)
			}
			r.t.Logf("stopped after %s", time.Since(began))
			ids, _ := other.here()
			if want := map[bool]int{false: 1, true: 2}[c.settled]; len(ids) > want || !slices.Contains(ids, other.id) {
				t.Errorf("the group has %q, want the rival and no sink", ids)
			}
			if c.settled {
				if got := committed(t, k); got != 2 {
					t.Errorf("committed %d, want 2", got)
				}
			}
		})
	}
}

// TestAnAbandonedSinkLeavesARebalance: its plugin hangs, and somebody else holds the group up.
func TestAnAbandonedSinkLeavesARebalance(t *testing.T) {
	t.Parallel()
	k := kafkatest.Start(t, "in")
	other := newRival(t, k, "rival")
	if err := other.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	snk := &plugintest.RecordingSink{OnTaskStop: func(context.Context) error { <-release; return nil }}
	s := sink(t, k, snk, "in")
	s.StopBudget = time.Second
	r := start(t, s)
	r.await("the sink to wait in the group", func() bool { ids, _ := other.here(); return len(ids) == 2 })
	if err := r.halt(); !errors.Is(err, task.ErrAbandoned) {
		t.Errorf("got %v, want %v", err, task.ErrAbandoned)
	}
	defer close(release)
	deadline := time.After(patience)
	for {
		if ids, _ := other.here(); len(ids) == 1 {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatal("the abandoned sink is still in its group")
		}
	}
}

// TestSinkSucceedsWhoDied takes over from a worker that died without leaving the group: records come long before the
// session of the dead one ends, and nobody else is put out.
func TestSinkSucceedsWhoDied(t *testing.T) {
	t.Parallel()
	k := kafkatest.Start(t, "in")
	produce(k, "in", "1", "2")
	dead := newRival(t, k, "connector-consumer-"+k.Name("snk")+"-0")
	if err := dead.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	snk := &plugintest.RecordingSink{}
	s := sink(t, k, snk, "in")
	s.Holds = func() bool { return true }
	r := start(t, s)
	began := time.Now()
	snk.AwaitRecords(t, 2)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("records came after %s, though the session of who died is 45s", took)
	}
	if ids, _ := dead.here(); slices.Contains(ids, dead.id) || len(ids) != 1 {
		t.Errorf("the group has %q, want the sink only", ids)
	}
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
}

// TestSinkLeavesOthersInItsGroup: another task's consumer, whoever has the same client.id because the connector says so, and that
// of another worker that runs alone.
func TestSinkLeavesOthersInItsGroup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, suffix, override string
		alone                  bool
	}{
		{name: "another task", suffix: "-1"},
		{name: "a client.id of its own", override: "shared"},
		{name: "a worker without others", suffix: "-0", alone: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Start(t, "in")
			id := c.override
			if id == "" {
				id = "connector-consumer-" + k.Name("snk") + c.suffix
			}
			other := newRival(t, k, id)
			if err := other.join(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := sink(t, k, &plugintest.RecordingSink{}, "in")
			s.StopBudget = 4 * time.Second
			if s.Holds = func() bool { return true }; c.alone {
				s.Holds = nil
			}
			if c.override != "" {
				s.Instance.Task.Consumer["client.id"] = c.override
			}
			r := start(t, s)
			r.await("the sink to wait in the group", func() bool { ids, _ := other.here(); return len(ids) == 2 })
			if err := r.halt(); err != nil { // which waits for what looks at the group
				t.Fatal(err)
			}
			if ids, _ := other.here(); !slices.Contains(ids, other.id) {
				t.Errorf("the group has %q without %q", ids, other.id)
			}
		})
	}
}

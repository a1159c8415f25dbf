package member_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/internal/member"
)

// clock is a member.Now on the clock of a synctest bubble, which a test may let jump as a suspended machine's does.
type clock struct {
	mu    sync.Mutex
	start time.Time
	jump  time.Duration
}

func (c *clock) now() member.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return member.Instant(time.Since(c.start) + c.jump + time.Hour)
}

// worker is a member of a group whose connections a test can cut.
type worker struct {
	*member.Group
	watch  member.Watch
	clock  *clock
	cancel context.CancelFunc
	ended  chan error

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// timing is the group's, by Kafka Connect's defaults.
var timing = member.GroupSettings{Session: 10 * time.Second, Heartbeat: 3 * time.Second, Rebalance: time.Minute}

func start(t *testing.T, k *kafkatest.Cluster, name string, with member.GroupSettings) *worker {
	t.Helper()
	w := &worker{clock: &clock{start: time.Now()}, ended: make(chan error, 1)}
	clients := k.Clients()
	dial := clients.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	clients.Dial = func(ctx context.Context, network, host string) (net.Conn, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.cut {
			return nil, errors.New("the cable is out")
		}
		c, err := dial(ctx, network, host)
		if err == nil {
			w.conns = append(w.conns, c)
		}
		return c, err
	}
	with.Client = clients.Own()
	with.Group, with.Logger, with.Now = k.Name("workers"), slog.New(slog.DiscardHandler), w.clock.now
	with.Self = member.Member{ID: name, Address: name + ":8083", Plugins: map[string]string{"Plugin" + name: "1.0"}}
	w.Group = member.NewGroup(with)
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	go func() { w.ended <- w.Run(ctx, w.watch.Set) }()
	t.Cleanup(func() {
		w.cancel()
		if err, open := <-w.ended; open && err != nil {
			t.Error(err)
		}
		close(w.ended)
	})
	return w
}

// plug cuts the worker off, or lets it back.
func (w *worker) plug(in bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = !in
	if !in {
		for _, c := range w.conns {
			_ = c.Close()
		}
		w.conns = nil
	}
}

// stop lets the worker leave.
func (w *worker) stop(t *testing.T) {
	t.Helper()
	w.cancel()
	if err := <-w.ended; err != nil {
		t.Errorf("stop: %v", err)
	}
	w.ended <- nil
}

// sees waits for a view.
func (w *worker) sees(t *testing.T, within time.Duration, what string, is func(member.View) bool) member.View {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	v, n := w.watch.View()
	for !is(v) {
		var err error
		if v, n, err = w.watch.Wait(ctx, n); err != nil {
			last, _ := w.watch.View()
			t.Fatalf("within %s no view %s; the last is %+v", within, what, last)
		}
	}
	return v
}

func idsOf(v member.View) string {
	var ids []string
	for _, m := range v.Members {
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, " ")
}

// together waits until one of the workers leads exactly them, and returns it.
func together(t *testing.T, within time.Duration, ws ...*worker) *worker {
	t.Helper()
	var ids []string
	for _, w := range ws {
		ids = append(ids, w.ID())
	}
	slices.Sort(ids)
	all := strings.Join(ids, " ")
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for {
		var changes []<-chan struct{}
		for _, w := range ws {
			v, n := w.watch.View()
			if v.Leads() && idsOf(v) == all {
				return w
			}
			changed := make(chan struct{})
			changes = append(changes, changed)
			go func() { defer close(changed); _, _, _ = w.watch.Wait(ctx, n) }()
		}
		if first(ctx, changes) != nil {
			t.Fatalf("within %s nobody leads %s", within, all)
		}
	}
}

// first waits for any of the channels; the goroutines behind the others end with ctx.
func first(ctx context.Context, changes []<-chan struct{}) error {
	any := make(chan struct{}, len(changes))
	for _, c := range changes {
		go func() { <-c; any <- struct{}{} }()
	}
	<-any
	return ctx.Err()
}

func virtual(t *testing.T, brokers int, run func(t *testing.T, k *kafkatest.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { run(t, kafkatest.StartVirtual(t, brokers)) })
}

func TestGroupJoinsAndLeaves(t *testing.T) {
	t.Parallel()
	virtual(t, 1, func(t *testing.T, k *kafkatest.Cluster) {
		a, b, c := start(t, k, "a", timing), start(t, k, "b", timing), start(t, k, "c", timing)
		leader := together(t, 10*time.Second, a, b, c)
		v, _ := leader.watch.View()
		want := []member.Member{
			{ID: "a", Address: "a:8083", Plugins: map[string]string{"Plugina": "1.0"}},
			{ID: "b", Address: "b:8083", Plugins: map[string]string{"Pluginb": "1.0"}},
			{ID: "c", Address: "c:8083", Plugins: map[string]string{"Pluginc": "1.0"}},
		}
		if diff := cmp.Diff(want, v.Members); diff != "" {
			t.Errorf("members: got (+), want (-):\n%s", diff)
		}
		rest := slices.DeleteFunc([]*worker{a, b, c}, func(w *worker) bool { return w == leader })
		for _, w := range rest {
			is := w.sees(t, time.Second, "of a follower", func(f member.View) bool { return f.Generation == v.Generation })
			if is.Self != w.ID() || is.Leader != leader.ID() || is.Leads() || len(is.Members) != 2 {
				t.Errorf("%s sees %+v, want the leader %s and itself", w.ID(), is, leader.ID())
			}
			if !w.Lease().Holds(w.clock.now()) {
				t.Errorf("%s has joined and has no lease", w.ID())
			}
		}
		rest[0].stop(t)
		if rest[0].Lease().Holds(rest[0].clock.now()) {
			t.Error("who has left has a lease")
		}
		together(t, 4*time.Second, leader, rest[1]) // a heartbeat later
		leader.stop(t)
		together(t, 4*time.Second, rest[1])
		d := start(t, k, "d", timing)
		together(t, 5*time.Second, rest[1], d)
	})
}

func TestWhoIsCutOffHasNoLeaseWhenItIsExpelled(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"leader", "follower"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			virtual(t, 1, func(t *testing.T, k *kafkatest.Cluster) {
				a, b := start(t, k, "a", timing), start(t, k, "b", timing)
				gone := together(t, 10*time.Second, a, b)
				stays := map[*worker]*worker{a: b, b: a}[gone]
				if which == "follower" {
					gone, stays = stays, gone
				}
				<-time.After(7 * time.Second) // of the bubble: somewhere between two heartbeats
				gone.plug(false)
				was, term := time.Now(), gone.Lease().Term()
				stays.sees(t, 15*time.Second, "without the other", func(v member.View) bool { return v.Leads() && len(v.Members) == 1 })
				if gone.Lease().Holds(gone.clock.now()) {
					t.Error("the other leads alone, and who was cut off may still run")
				}
				if took := time.Since(was); took < 7*time.Second || took > 14*time.Second {
					t.Errorf("expelled after %s, want about a session", took)
				}
				if v, _ := gone.watch.View(); v.Self != gone.ID() {
					t.Errorf("who is cut off sees %+v, want what it saw", v)
				}
				_, before := gone.watch.View()
				gone.plug(true)
				for n, seen := 0, before; n < 2; n++ { // that it is out, and that it is in
					var err error
					if _, seen, err = gone.watch.Wait(t.Context(), seen); err != nil {
						t.Fatal(err)
					}
				}
				together(t, 10*time.Second, a, b)
				if !gone.Lease().Holds(gone.clock.now()) {
					t.Error("back, and without a lease")
				}
				if gone.Lease().Term() == term || stays.Lease().Term() != 1 {
					t.Error("the lease of who was out is of the same term, or that of who stayed of another")
				}
			})
		})
	}
}

func TestAMemberThatWasExpelledBehindItsBackJoinsAgain(t *testing.T) {
	t.Parallel()
	virtual(t, 1, func(t *testing.T, k *kafkatest.Cluster) {
		a := start(t, k, "a", timing)
		together(t, 5*time.Second, a)
		_, seen := a.watch.View()
		h := k.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID})
		v, n, err := a.watch.Wait(t.Context(), seen)
		if err != nil || v.Self != "" || n != seen+1 {
			t.Fatalf("got %+v, %v, want a view of nobody", v, err)
		}
		if a.Lease().Holds(a.clock.now()) {
			t.Error("expelled, and with a lease")
		}
		if h.Hits() != 1 {
			t.Errorf("%d heartbeats were refused, want 1", h.Hits())
		}
		a.sees(t, 15*time.Second, "of its own", func(v member.View) bool { return v.Self == "a" })
	})
}

func TestTheCoordinatorMoves(t *testing.T) {
	t.Parallel()
	virtual(t, 3, func(t *testing.T, k *kafkatest.Cluster) {
		a, b := start(t, k, "a", timing), start(t, k, "b", timing)
		leader := together(t, 10*time.Second, a, b)
		v, n := leader.watch.View()
		for range 5 {
			k.Fake().RehashCoordinators()
			<-time.After(20 * time.Second)
			for _, w := range []*worker{a, b} {
				if !w.Lease().Holds(w.clock.now()) {
					t.Errorf("%s has lost its lease", w.ID())
				}
			}
		}
		if now, m := leader.watch.View(); m != n || now.Generation != v.Generation {
			t.Errorf("got generation %d, view %d, want as before: %d, %d", now.Generation, m, v.Generation, n)
		}
	})
}

// TestASuspendedMachineHasNoLease: its clock jumps, and nothing is heard in between.
func TestASuspendedMachineHasNoLease(t *testing.T) {
	t.Parallel()
	virtual(t, 1, func(t *testing.T, k *kafkatest.Cluster) {
		a := start(t, k, "a", timing)
		together(t, 5*time.Second, a)
		a.clock.mu.Lock()
		a.clock.jump = time.Hour
		a.clock.mu.Unlock()
		term := a.Lease().Term()
		if a.Lease().Holds(a.clock.now()) {
			t.Error("an hour asleep, and the lease holds")
		}
		_, seen := a.watch.View()
		// The coordinator, whose clock has not jumped, still knows it: the lease holds again, which is told.
		if _, _, err := a.watch.Wait(t.Context(), seen); err != nil || !a.Lease().Holds(a.clock.now()) {
			t.Errorf("awake and heard of: %v, and no lease", err)
		}
		if a.Lease().Term() == term {
			t.Error("the lease had run out, and is of the same term")
		}
	})
}

// TestALapseThatTheMemberDidNotNoticeIsTold when it ends: whoever looked at the lease meanwhile waits for that.
func TestALapseThatTheMemberDidNotNoticeIsTold(t *testing.T) {
	t.Parallel()
	virtual(t, 1, func(t *testing.T, k *kafkatest.Cluster) {
		a := start(t, k, "a", timing)
		together(t, 5*time.Second, a)
		term := a.Lease().Term()
		_, seen := a.watch.View()
		a.clock.mu.Lock()
		a.clock.jump = time.Hour
		a.clock.mu.Unlock()
		began := time.Now()
		if err := a.Confirm(t.Context()); err != nil || a.Lease().Term() == term || !a.Lease().Holds(a.clock.now()) {
			t.Fatalf("the heartbeat of a confirmation: %v, and a lease of term %d, %d before", err, a.Lease().Term(), term)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := a.watch.Wait(ctx, seen); err != nil || time.Since(began) > time.Second {
			t.Errorf("a new term was not told at once: %v after %s", err, time.Since(began))
		}
	})
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	virtual(t, 1, func(t *testing.T, k *kafkatest.Cluster) {
		a := start(t, k, "a", timing)
		if err := a.Confirm(t.Context()); !errors.Is(err, member.ErrLost) {
			t.Errorf("before it has joined: got %v, want ErrLost", err)
		}
		together(t, 5*time.Second, a)
		if err := a.Confirm(t.Context()); err != nil {
			t.Errorf("alone and settled: %v", err)
		}
		k.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.IllegalGeneration})
		_, seen := a.watch.View()
		if err := a.Confirm(t.Context()); !errors.Is(err, member.ErrLost) {
			t.Errorf("of another generation: got %v, want ErrLost", err)
		}
		if _, _, err := a.watch.Wait(t.Context(), seen); err != nil {
			t.Errorf("no newer view has come: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.Confirm(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

// TestASlowRebalanceKeepsTheLease: a member that beats and never joins again holds the others up for the whole time-out.
func TestASlowRebalanceKeepsTheLease(t *testing.T) {
	t.Parallel()
	virtual(t, 1, func(t *testing.T, k *kafkatest.Cluster) {
		a := start(t, k, "a", timing)
		together(t, 5*time.Second, a)
		lazy := &raw{t: t, k: k, protocol: "penstock", metadata: []byte("nothing that is understood")}
		lazy.join()
		lazy.beat(t.Context())
		before := a.sees(t, 5*time.Second, "with the lazy one", func(v member.View) bool { return v.Generation == int64(lazy.generation) })
		b := start(t, k, "b", timing)
		began := time.Now()
		for time.Since(began) < 50*time.Second {
			<-time.After(time.Second)
			if !a.Lease().Holds(a.clock.now()) {
				t.Fatalf("%s into a rebalance the lease has run out", time.Since(began))
			}
			lazy.beat(t.Context())
		}
		if now, _ := a.watch.View(); now.Generation != before.Generation {
			t.Fatal("the rebalance is over already; this test shows nothing")
		}
		together(t, 20*time.Second, a, b)
	})
}

func TestWhoSpeaksAnotherProtocolIsRefused(t *testing.T) {
	t.Parallel()
	k := kafkatest.Start(t)
	a := start(t, k, "a", timing)
	together(t, 30*time.Second, a)
	java := &raw{t: t, k: k, protocol: "sessioned", metadata: []byte{0, 2}}
	if err := java.tryJoin(); !errors.Is(err, kerr.InconsistentGroupProtocol) {
		t.Errorf("got %v, want that a Java worker is refused", err)
	}
}

func TestAGroupOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ protocolType, protocol, want string }{
		{"connect", "sessioned", "is used by Kafka Connect, whose workers run on "},
		{"consumer", "range", `speak the protocol "consumer"`},
	} {
		t.Run(c.protocolType, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Start(t)
			other := &raw{t: t, k: k, protocolType: c.protocolType, protocol: c.protocol}
			other.join()
			w := start(t, k, "a", timing)
			err := <-w.ended
			w.ended <- nil
			d, ok := errors.AsType[*diag.Diagnostic](err)
			if !ok || d.Code != diag.GroupInUse || !strings.Contains(d.Detail, c.want) || !strings.Contains(d.Detail, "group.id") {
				t.Errorf("got %v, want %s with %q", err, diag.GroupInUse, c.want)
			}
		})
	}
}

func TestWhatNoTryingCuresEndsTheMembership(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  *kerr.Error
		code diag.Code
		want string
	}{
		{kerr.GroupAuthorizationFailed, diag.BrokerRefused, "kafka-acls.sh"},
		{kerr.InvalidSessionTimeout, diag.InvalidValue, "session.timeout.ms = 10000"},
		{kerr.InvalidGroupID, diag.InvalidValue, "group.id"},
	} {
		t.Run(c.err.Message, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Start(t)
			k.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: c.err, Count: -1})
			w := start(t, k, "a", timing)
			err := <-w.ended
			w.ended <- nil
			if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != c.code || !strings.Contains(d.Detail, c.want) {
				t.Errorf("got %v, want %s with %q", err, c.code, c.want)
			}
		})
	}
}

func TestJoiningIsTriedAgain(t *testing.T) {
	t.Parallel()
	virtual(t, 1, func(t *testing.T, k *kafkatest.Cluster) {
		h := k.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.UnknownServerError, Count: 4},
			kfake.Fault{Keys: []kmsg.Key{kmsg.SyncGroup}, Err: kerr.RebalanceInProgress, Count: 2})
		a := start(t, k, "a", timing)
		together(t, 30*time.Second, a)
		if h.Hits() == 0 {
			t.Error("nothing failed; this test shows nothing")
		}
	})
}

// TestTheLifeOfAGroup is played on a genuine Kafka too, hence without a bubble and with a short session.
func TestTheLifeOfAGroup(t *testing.T) {
	t.Parallel()
	k := kafkatest.Start(t)
	short := member.GroupSettings{Session: 2 * time.Second, Heartbeat: 200 * time.Millisecond, Rebalance: 10 * time.Second}
	const patience = 30 * time.Second
	a, b, c := start(t, k, "a", short), start(t, k, "b", short), start(t, k, "c", short)
	leader := together(t, patience, a, b, c)
	rest := slices.DeleteFunc([]*worker{a, b, c}, func(w *worker) bool { return w == leader })
	if err := leader.Confirm(t.Context()); err != nil {
		t.Errorf("confirm: %v", err)
	}

	stays, term := rest[0].Lease().Term(), leader.Lease().Term()
	rest[0].sees(t, patience, "of the leader", func(v member.View) bool { return v.Leader == leader.ID() })
	leader.plug(false)
	rest[0].sees(t, patience, "without the leader", func(v member.View) bool { return v.Leader != leader.ID() })
	if leader.Lease().Holds(leader.clock.now()) {
		t.Error("others have gone on, and who was cut off may still run")
	}
	if err := leader.Confirm(t.Context()); err == nil {
		t.Error("who is cut off is confirmed")
	}
	leader.plug(true)
	leader.sees(t, patience, "of a follower", func(v member.View) bool { return v.Self != "" && !v.Leads() })
	next := together(t, patience, a, b, c)
	if next == leader {
		t.Error("who comes back leads at once")
	}
	if leader.Lease().Term() == term || rest[0].Lease().Term() != stays {
		t.Error("the lease of who was out is of the same term, or that of who stayed of another")
	}

	next.stop(t)
	rest = slices.DeleteFunc([]*worker{a, b, c}, func(w *worker) bool { return w == next })
	v, _ := together(t, patience, rest...).watch.View()
	for _, w := range rest {
		w.stop(t)
	}
	d := start(t, k, "d", short)
	if anew, _ := together(t, patience, d).watch.View(); anew.Generation <= v.Generation {
		t.Errorf("generation %d follows %d", anew.Generation, v.Generation)
	}
}

func TestAnIDIsOfOneProcess(t *testing.T) {
	t.Parallel()
	one := member.NewGroup(member.GroupSettings{Self: member.Member{Address: "host:8083"}})
	other := member.NewGroup(member.GroupSettings{Self: member.Member{Address: "host:8083"}})
	if one.ID() == other.ID() || !strings.HasPrefix(one.ID(), "host:8083/") {
		t.Errorf("got %q and %q, want the address and something that nobody else has", one.ID(), other.ID())
	}
	if one.Lease().Holds(0) {
		t.Error("it has a lease before it has joined")
	}
}

func TestAHundredMembers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a hundred members")
	}
	virtual(t, 1, func(t *testing.T, k *kafkatest.Cluster) {
		ws := make([]*worker, 100)
		for i := range ws {
			ws[i] = start(t, k, fmt.Sprintf("%03d", i), timing)
		}
		together(t, 30*time.Second, ws...)
	})
}

// raw is a member that speaks some protocol and does only what it is told.
type raw struct {
	t                      *testing.T
	k                      *kafkatest.Cluster
	protocolType, protocol string
	metadata               []byte

	client     *kgo.Client
	id         string
	generation int32
}

func (r *raw) join() {
	r.t.Helper()
	if err := r.tryJoin(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) tryJoin() error {
	if r.client == nil {
		client, err := r.k.Clients().AdminClient(nil, "raw")
		if err != nil {
			return err
		}
		r.client = client
		r.t.Cleanup(client.Close)
	}
	if r.protocolType == "" {
		r.protocolType = "connect"
	}
	for {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.MemberID, req.ProtocolType = r.k.Name("workers"), r.id, r.protocolType
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 60_000
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = r.protocol, r.metadata
		req.Protocols = append(req.Protocols, p)
		res, err := req.RequestWith(r.t.Context(), r.client)
		if err != nil {
			return err
		}
		err = kerr.ErrorForCode(res.ErrorCode)
		r.id, r.generation = res.MemberID, res.Generation
		if errors.Is(err, kerr.MemberIDRequired) {
			continue
		}
		if err != nil {
			return err
		}
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Group, sync.MemberID, sync.Generation = req.Group, r.id, r.generation
		sync.ProtocolType, sync.Protocol = &r.protocolType, &r.protocol
		synced, err := sync.RequestWith(r.t.Context(), r.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(synced.ErrorCode)
	}
}

func (r *raw) beat(ctx context.Context) {
	r.t.Helper()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = r.k.Name("workers"), r.id, r.generation
	if _, err := req.RequestWith(ctx, r.client); err != nil {
		r.t.Error(err)
	}
}

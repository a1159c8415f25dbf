package member

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/internal/kafka"
)

// GroupSettings are what a member of a group is made of. All but Now are needed.
type GroupSettings struct {
	Client kafka.Maker
	Group  string // group.id
	// Self is what this member announces. An ID that is "" becomes a new one.
	Self Member

	Session   time.Duration // session.timeout.ms: a member that is not heard of for so long is expelled
	Heartbeat time.Duration // heartbeat.interval.ms; less than a third of Session lets two be lost
	Rebalance time.Duration // rebalance.timeout.ms: a member that does not join again within it is expelled

	Logger *slog.Logger
	Now    func() Instant // nil: [Now]
}

// Group is the membership of a distributed worker: a member of a Kafka group that serves for who is here and who leads, and
// for nothing else (decision D2). It speaks the group's protocol itself: to join, to sync, to beat and to leave.
//
// The members of a view are all for the leader, and the leader and itself for the others.
type Group struct {
	GroupSettings
	again chan struct{} // has room for one: the coordinator wants all to join again

	telling sync.Mutex // held while a view is handed on

	mu      sync.Mutex
	client  *kgo.Client // while Run runs
	changed func(View)  // as above
	state   standing
	lease   Lease
	view    View
}

// standing is how this member stands at the coordinator.
type standing struct {
	member     string // the coordinator's name for it; "" before it has one
	generation int32  // of the last completed join
	synced     bool   // the leader's word of this generation has come: the group was whole
	joining    bool   // on its way to another generation

	heard   Instant // send time of the last request that was answered well, or with the wish to join again
	settled Instant // send time of the last one that was answered when the group was whole
	out     bool    // the lease has run out, so that whoever stopped waits for it to hold again
}

// NewGroup makes the membership of a group; nothing is asked of the coordinator yet.
func NewGroup(s GroupSettings) *Group {
	if s.Now == nil {
		s.Now = Now
	}
	if s.Self.ID == "" {
		s.Self.ID = s.Self.Address + "/" + rand.Text()[:12]
	}
	return &Group{GroupSettings: s, again: make(chan struct{}, 1), state: standing{out: true}}
}

// ID is this member's ID in views, also before it has joined.
func (g *Group) ID() string { return g.Self.ID }

// leaveWithin bounds the wait for the coordinator at the end.
const leaveWithin = 3 * time.Second

// Run joins the group and stays in it until ctx is done, calling changed from one goroutine at a time; then it leaves and
// returns nil. An error is one that no trying again cures, such as a group that others use: a *[diag.Diagnostic].
func (g *Group) Run(ctx context.Context, changed func(View)) error {
	client, err := g.Client("connect-"+g.Group,
		kgo.RetryTimeout(g.Session), kgo.RequestTimeoutOverhead(max(g.Session/2, 100*time.Millisecond)))
	if err != nil {
		return fmt.Errorf("a client for the group %s: %w", g.Group, err)
	}
	defer client.Close()
	g.mu.Lock()
	g.client, g.changed = client, changed
	g.mu.Unlock()

	life, end := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() { g.beats(life) })
	err = g.membership(life)
	end()
	beating.Wait()

	g.leave(context.WithoutCancel(ctx))
	g.mu.Lock()
	g.client, g.changed = nil, nil
	g.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// tell hands on the newest view, from whichever goroutine.
func (g *Group) tell() {
	g.telling.Lock()
	defer g.telling.Unlock()
	g.mu.Lock()
	view, changed := g.view, g.changed
	g.mu.Unlock()
	if changed != nil {
		changed(view)
	}
}

// The wait after a failure doubles from the first to the last.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 2 * time.Second
)

// membership joins as often as the coordinator asks for it.
func (g *Group) membership(ctx context.Context) error {
	wait := time.Duration(0)
	for {
		err := g.join(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end that was asked for
		case err == nil:
			wait = 0
			select {
			case <-g.again:
			case <-ctx.Done():
				return nil
			}
			continue
		case rejoins(err):
			continue
		}
		if d := g.explain(ctx, err); d != nil {
			return d
		}
		wait = min(max(2*wait, firstWait), lastWait)
		g.Logger.Warn("joining the group failed; trying again", "group", g.Group, "error", err, "wait", wait)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// errAgain asks for another join at once.
var errAgain = errors.New("join again")

func rejoins(err error) bool { return errors.Is(err, errAgain) }

// join joins once, hears who leads, and tells the view.
func (g *Group) join(ctx context.Context) error {
	g.mu.Lock()
	id := g.state.member
	g.state.joining = true
	g.mu.Unlock()
	select { // what was asked for is being done
	case <-g.again:
	default:
	}
	joined, err := g.askJoin(ctx, id)
	if err != nil {
		return g.failed(fmt.Errorf("join: %w", err))
	}
	g.mu.Lock()
	g.state.member, g.state.generation, g.state.synced = joined.MemberID, joined.Generation, false
	g.mu.Unlock()
	members := g.membersOf(joined)
	sent := g.Now()
	said, err := g.askSync(ctx, joined, members)
	if err != nil {
		return g.failed(fmt.Errorf("sync: %w", err))
	}
	view, err := g.viewOf(joined, members, said)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.view = view
	g.state.synced, g.state.joining = true, false
	g.renew(sent, true)
	g.state.out = false
	g.mu.Unlock()
	g.Logger.Info("joined the group", "group", g.Group, "generation", view.Generation, "leads", view.Leads(), "member", g.Self.ID)
	g.tell()
	return nil
}

// failed takes from an error what it says about this member's standing.
func (g *Group) failed(err error) error {
	switch {
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.FencedInstanceID):
		g.expelled()
		return errAgain
	case errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.IllegalGeneration):
		return errAgain
	}
	return err
}

// expelled forgets what the coordinator does not know any more. The lease ends at once: the leader may be counting the
// delay after which others take over what ran here.
func (g *Group) expelled() {
	g.mu.Lock()
	was := g.view.Self != ""
	g.state = standing{joining: g.state.joining, out: true}
	g.lease.until = 0
	g.view = View{}
	g.mu.Unlock()
	if was {
		g.Logger.Warn("the group has gone on without this worker; it stops what it runs and joins again", "group", g.Group)
		g.tell()
	}
}

// askJoin returns once the coordinator has an answer, which is when all members have joined.
func (g *Group) askJoin(ctx context.Context, id string) (*kmsg.JoinGroupResponse, error) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = g.Group, id, protocolType
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(g.Session.Milliseconds()), int32(g.Rebalance.Milliseconds())
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = protocolName, encode(announcement(g.Self))
	req.Protocols = append(req.Protocols, protocol)
	for {
		res, err := req.RequestWith(ctx, g.client)
		if err != nil {
			return nil, err
		}
		err = kerr.ErrorForCode(res.ErrorCode)
		if errors.Is(err, kerr.MemberIDRequired) { // the coordinator's name first, so that a lost answer leaves no ghost (KIP-394)
			req.MemberID = res.MemberID
			g.mu.Lock()
			g.state.member = res.MemberID
			g.mu.Unlock()
			continue
		}
		return res, err
	}
}

// membersOf are those who have joined, by the coordinator's name; nil when another leads.
func (g *Group) membersOf(joined *kmsg.JoinGroupResponse) map[string]Member {
	if joined.MemberID != joined.LeaderID {
		return nil
	}
	members := map[string]Member{}
	for _, m := range joined.Members {
		var said announcement
		if err := decode(m.ProtocolMetadata, &said); err != nil {
			g.Logger.Warn("a member of the group is not understood and gets nothing to run", "group", g.Group, "member", m.MemberID, "error", err)
			continue
		}
		members[m.MemberID] = Member(said)
	}
	return members
}

// askSync tells all members the outcome if this one leads, and returns what it is told.
func (g *Group) askSync(ctx context.Context, joined *kmsg.JoinGroupResponse, members map[string]Member) (outcome, error) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation = g.Group, joined.MemberID, joined.Generation
	req.ProtocolType, req.Protocol = new(string(protocolType)), new(string(protocolName))
	if members != nil {
		word := encode(outcome{Leader: g.Self.ID, Address: g.Self.Address})
		for _, m := range joined.Members { // also those that are not understood: they understand this
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			a.MemberID, a.MemberAssignment = m.MemberID, word
			req.GroupAssignment = append(req.GroupAssignment, a)
		}
	}
	var said outcome
	res, err := req.RequestWith(ctx, g.client)
	if err == nil {
		err = kerr.ErrorForCode(res.ErrorCode)
	}
	if err == nil {
		err = decode(res.MemberAssignment, &said)
	}
	return said, err
}

// viewOf is the view of a completed join.
func (g *Group) viewOf(joined *kmsg.JoinGroupResponse, members map[string]Member, said outcome) (View, error) {
	v := View{Self: g.Self.ID, Leader: said.Leader, Generation: int64(joined.Generation)}
	if members == nil {
		v.Members = []Member{g.Self}
		if said.Leader == "" || said.Leader == g.Self.ID {
			return View{}, errors.New("the leader of the group did not say who it is")
		}
		v.Members = append(v.Members, Member{ID: said.Leader, Address: said.Address})
	}
	for _, m := range members {
		v.Members = append(v.Members, m)
	}
	slices.SortFunc(v.Members, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return v, nil
}

// leave tells the coordinator that this member goes, so that the others need not wait for its session to end.
func (g *Group) leave(ctx context.Context) {
	g.mu.Lock()
	id, was := g.state.member, g.view.Self != ""
	g.state, g.view = standing{out: true}, View{}
	g.lease.until = 0
	g.mu.Unlock()
	if id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, leaveWithin)
	defer cancel()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = g.Group, id
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, m.Reason = id, new("the worker shuts down")
	req.Members = append(req.Members, m)
	res, err := req.RequestWith(ctx, g.client)
	if err == nil {
		err = kerr.ErrorForCode(res.ErrorCode)
	}
	switch {
	case err != nil && !errors.Is(err, kerr.UnknownMemberID):
		g.Logger.Warn("leaving the group failed; the others notice when the session ends", "group", g.Group, "error", err)
	case was:
		g.Logger.Info("left the group", "group", g.Group)
	}
}

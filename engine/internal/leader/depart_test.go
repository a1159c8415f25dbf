package leader_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/engine/internal/leader"
	"github.com/penstock/penstock/engine/internal/member"
	"github.com/penstock/penstock/store"
)

// clustered is a leader that is not alone, with a delay of ten seconds.
func clustered(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, journal: &journal{}, views: &member.Watch{}, group: &group{}}
	b.store = store.NewLocal(nil, nil, b.journal)
	b.cluster()
	return b
}

// cluster runs the leader of a cluster.
func (b *bench) cluster() {
	ctx, cancel := context.WithCancel(b.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		b.err = leader.Run(ctx, leader.Settings{
			Store: counting{b.store, b}, Views: b.views, Logger: slog.New(slog.DiscardHandler), Confirm: b.group.confirm,
			Statuses: b.store.Statuses(), Delay: 10 * time.Second, StopBudget: 5 * time.Second,
		})
	})
	b.stop = func() { cancel(); wg.Wait() }
	b.t.Cleanup(b.stop)
}

func (b *bench) at(generation int64, members ...string) {
	v := view("m", "m", members...)
	v.Generation = generation
	b.views.Set(v)
	synctest.Wait()
}

// TestADepartureIsStatedThenWaitedForThenConfirmed is rule 8, with the heartbeat that the model asks for.
func TestADepartureIsStatedThenWaitedForThenConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := clustered(t)
		b.at(1, "m", "n")
		b.submit("1", create("a"), create("b"))
		equal(t, "placed", b.members(), map[string]int{"m": 1, "n": 1})
		b.at(2, "m")
		equal(t, "members of the plan", b.snapshot().Plan.Members, []string{"m"})
		pass(10*time.Second - 1)
		equal(t, "within the delay", b.members(), map[string]int{"m": 1, "n": 1})
		// The group does not confirm: somebody else leads, and n may be back.
		b.group.loses(func(int) bool { return true })
		pass(time.Minute)
		equal(t, "not confirmed", b.members(), map[string]int{"m": 1, "n": 1})
		b.group.loses(nil)
		b.at(3, "m")
		pass(10*time.Second - 1)
		equal(t, "the delay begins anew", b.members(), map[string]int{"m": 1, "n": 1})
		pass(1)
		equal(t, "after the delay", b.members(), map[string]int{"m": 2})
		for _, p := range b.snapshot().Plan.Placements {
			equal(t, "follows", p.Follows, "")
		}
	})
}

// TestAMissedViewBeginsTheDelayAnew: in the generation that was missed, the departed one may have been here.
func TestAMissedViewBeginsTheDelayAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := clustered(t)
		b.at(1, "m", "n")
		b.submit("1", create("a"), create("b"))
		b.at(2, "m")
		pass(9 * time.Second)
		b.at(4, "m")
		pass(9 * time.Second)
		equal(t, "nine seconds later", b.members(), map[string]int{"m": 1, "n": 1})
		b.at(5, "m") // the next one: nothing was missed
		pass(time.Second)
		equal(t, "ten seconds later", b.members(), map[string]int{"m": 2})
	})
}

// TestANewLeaderFindsTheDepartureInTheLog and begins the delay anew.
func TestANewLeaderFindsTheDepartureInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := clustered(t)
		b.at(1, "m", "n")
		b.submit("1", create("a"), create("b"))
		b.at(2, "m")
		pass(5 * time.Second)
		v := view("m", "other", "m", "other")
		v.Generation = 3
		b.views.Set(v)
		pass(time.Minute)
		b.at(4, "m")
		pass(10*time.Second - 1)
		equal(t, "within the new delay", b.members(), map[string]int{"m": 1, "n": 1})
		pass(1)
		equal(t, "after it", b.members(), map[string]int{"m": 2})
	})
}

// TestWhatIsNoMoreIsForgottenOnceItIsReleased: a deleted connector keeps its statuses until its member has let go of it.
func TestWhatIsNoMoreIsForgottenOnceItIsReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := clustered(t)
		b.at(1, "m", "n")
		b.submit("1", create("a"))
		p := b.snapshot().Plan.Placements[0]
		say := func(s store.Status) {
			s.Connector, s.Task, s.Member = "a", store.Instance, p.Member
			if err := b.store.Statuses().Put(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
		}
		known := func() int {
			all, err := b.store.Statuses().All(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		say(store.Status{State: store.StateRunning, Epoch: p.Epoch})
		b.submit("2", store.Op{Delete: &store.DeleteConnector{Name: "a"}})
		pass(time.Minute)
		leaving := b.snapshot().Plan.Placements
		if len(leaving) != 1 || !leaving[0].Leaving || known() != 1 {
			t.Fatalf("got %+v and %d statuses, want it to be leaving", leaving, known())
		}
		say(store.Status{State: store.StateUnassigned, Epoch: leaving[0].Epoch, Released: true})
		equal(t, "placements", len(b.snapshot().Plan.Placements), 0)
		equal(t, "statuses", known(), 0)
	})
}

func parts(id string) store.Op { return store.Op{Part: &store.PartMember{Member: id}} }

// TestWhoPartsIsNotWaitedFor: what it had is given to others in the answer to its own word, also while the group still has it.
func TestWhoPartsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"n", "m"} { // a follower, and the one who leads
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := clustered(t)
				b.at(1, "m", "n", "o")
				b.submit("1", create("a"), create("b"), create("c"))
				equal(t, "placed", b.members(), map[string]int{"m": 1, "n": 1, "o": 1})
				equal(t, "refusal", b.submit("2", parts(who)).Refusal, "")
				s := b.snapshot()
				if _, still := b.members()[who]; still || len(b.members()) != 2 {
					t.Errorf("%s has parted, and the plan is %v", who, b.members())
				}
				for _, p := range s.Plan.Placements {
					equal(t, "follows", p.Follows, "")
				}
				b.submit("3", create("d"), create("e"))
				if _, again := b.members()[who]; again {
					t.Errorf("%s has parted, and is given something: %v", who, b.members())
				}
				b.at(2, "m", "n", "o") // the group has not noticed
				pass(time.Minute)
				if _, again := b.members()[who]; again {
					t.Errorf("%s has parted, and is given something in a later view: %v", who, b.members())
				}
			})
		})
	}
}

// TestTheLastOneParts: nothing has a place any more, and whoever comes next is given everything at once.
func TestTheLastOneParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := clustered(t)
		b.at(1, "m")
		b.submit("1", create("a"), create("b"))
		b.submit("2", parts("m"))
		equal(t, "placed", b.members(), map[string]int{})
		b.stop()
		b2 := &bench{t: t, store: b.store, journal: b.journal, views: &member.Watch{}, group: &group{}}
		b2.cluster()
		v := view("x", "x", "x")
		b2.views.Set(v)
		synctest.Wait()
		equal(t, "placed with the next one", b2.members(), map[string]int{"x": 2})
	})
}

// TestAWordThatNobodyReadIsReadByTheNextLeader: all leave at a time, so that nobody leads when the last ones say so.
func TestAWordThatNobodyReadIsReadByTheNextLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := clustered(t)
		b.at(1, "m", "n")
		b.submit("1", create("a"), create("b"))
		b.stop()
		for i, id := range []string{"m", "n"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := b.store.Submit(ctx, store.Request{ID: string(rune('p' + i)), Ops: []store.Op{parts(id)}}); err == nil {
				t.Error("nobody leads, and there is an answer")
			}
		}
		b2 := &bench{t: t, store: b.store, journal: b.journal, views: &member.Watch{}, group: &group{}}
		b2.cluster()
		b2.views.Set(view("x", "x", "x"))
		synctest.Wait() // and no time passes
		equal(t, "placed", b2.members(), map[string]int{"x": 2})
	})
}

package model

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// play sets a scene with two workers and two connectors of four tasks, which run after a second.
func play(t *testing.T, what func(t *testing.T, s *scene)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, 1)
		s.prompt = true
		defer s.close()
		s.join("a")
		s.join("b")
		pass(time.Second)
		s.put("c0", 4)
		s.put("c1", 4)
		pass(20 * time.Second)
		s.settled()
		what(t, s)
	})
}

// of lists the tasks that run at a node.
func (s *scene) of(n *node) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tasks []string
	for task, by := range s.runs {
		if by == n.id {
			tasks = append(tasks, task)
		}
	}
	slices.Sort(tasks)
	return tasks
}

func (s *scene) started() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.starts)
}

// again lists the tasks that were started since.
func (s *scene) again(since map[string]int) []string {
	var tasks []string
	for task, n := range s.started() {
		if n != since[task] {
			tasks = append(tasks, task)
		}
	}
	slices.Sort(tasks)
	return tasks
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: got (+), want (-):\n%s", what, diff)
	}
}

// TestAJoinMovesItsShareOnly: whoever comes gets what is due, and nothing else restarts.
func TestAJoinMovesItsShareOnly(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		before := s.started()
		n := s.join("c")
		pass(10 * time.Second)
		s.settled()
		if got := s.of(n); len(got) < 2 || len(got) > 3 {
			t.Errorf("the third worker runs %v, want two or three of eight", got)
		}
		same(t, "started again", s.again(before), s.of(n))
	})
}

// TestWhoLeavesInPeaceIsNotWaitedFor: its tasks run elsewhere before a delay could have passed.
func TestWhoLeavesInPeaceIsNotWaitedFor(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		had, before := s.of(s.nodes["w2"]), s.started()
		s.nodes["w2"].end()
		pass(time.Second)
		s.settled()
		same(t, "started again", s.again(before), had)
	})
}

// TestWhoLeavesIsNotWaitedForByTheGroup: others have its tasks before the group has noticed, follower or leader.
func TestWhoLeavesIsNotWaitedForByTheGroup(t *testing.T) {
	for who, other := range map[string]string{"w1": "w2", "w2": "w1"} {
		t.Run(map[string]string{"w1": "leader", "w2": "follower"}[who], func(t *testing.T) {
			play(t, func(t *testing.T, s *scene) {
				s.nodes[who].rest()
				pass(10 * time.Millisecond)
				if got := s.of(s.nodes[other]); len(got) != 8 {
					t.Errorf("%s runs %v, want all eight tasks", other, got)
				}
			})
		})
	}
}

// TestAllLeaveAtATimeAndOthersCome: what the last plan of those who left says is waited for by nobody.
func TestAllLeaveAtATimeAndOthersCome(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		var leaving sync.WaitGroup
		for _, n := range []*node{s.nodes["w1"], s.nodes["w2"]} {
			leaving.Go(n.end)
		}
		leaving.Wait()
		c, d := s.join("c"), s.join("d")
		pass(time.Second)
		s.settled()
		if got := len(s.of(c)) + len(s.of(d)); got != 8 {
			t.Errorf("%d tasks run, want 8", got)
		}
	})
}

// TestWhoHasHandedOverSaysNoMoreOfIt: neither when it leaves.
func TestWhoHasHandedOverSaysNoMoreOfIt(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.join("c")
		pass(10 * time.Second)
		s.nodes["w2"].end()
		pass(time.Second)
		s.settled()
	})
}

// TestTheDepartedAreWaitedFor, whoever it was: follower or leader.
func TestTheDepartedAreWaitedFor(t *testing.T) {
	for _, who := range []string{"w2", "w1"} {
		t.Run(map[string]string{"w1": "leader", "w2": "follower"}[who], func(t *testing.T) {
			play(t, func(t *testing.T, s *scene) {
				had, before := s.of(s.nodes[who]), s.started()
				s.kill(s.nodes[who], 3*time.Second)
				pass(delay - 100*time.Millisecond)
				same(t, "started again within the delay", s.again(before), []string(nil))
				pass(time.Second)
				s.settled()
				same(t, "started again", s.again(before), had)
			})
		})
	}
}

// TestWhoComesBackGetsBackWhatItHad: the same process within the delay.
func TestWhoComesBackGetsBackWhatItHad(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		n := s.nodes["w2"]
		had, before := s.of(n), s.started()
		s.lapse(n, 0, delay/2)
		pass(10 * time.Second)
		s.settled()
		same(t, "tasks", s.of(n), had)
		same(t, "started again", s.again(before), had)
	})
}

// TestANewProcessInheritsByAddress: after a kill, once the delay of the former one has passed.
func TestANewProcessInheritsByAddress(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		former := s.nodes["w2"]
		had, before := s.of(former), s.started()
		s.kill(former, time.Second)
		n := s.join("b")
		pass(delay - 500*time.Millisecond)
		same(t, "started again within the delay", s.again(before), []string(nil))
		pass(2 * time.Second)
		s.settled()
		same(t, "tasks of the heir", s.of(n), had)
		same(t, "started again", s.again(before), had)
	})
}

// TestTwoWithOneAddress: the later is given nothing until the other is gone.
func TestTwoWithOneAddress(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		before := s.started()
		late := s.join("b")
		pass(30 * time.Second)
		s.settled()
		same(t, "tasks of the later", s.of(late), []string(nil))
		same(t, "started again", s.again(before), []string(nil))
		s.nodes["w2"].end()
		pass(10 * time.Second)
		s.settled()
		same(t, "members", s.plan().Members, []string{"w1", late.id})
	})
}

// TestAShortLapseStopsAndGoesOn: a coordinator that is away for longer than a session; nothing moves.
func TestAShortLapseStopsAndGoesOn(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		n := s.nodes["w2"]
		had, plan := s.of(n), s.plan()
		s.lapse(n, -1, stopBudget+2*time.Second)
		same(t, "tasks without a lease", s.of(n), []string(nil))
		pass(3 * time.Second)
		same(t, "tasks", s.of(n), had)
		same(t, "plan", s.plan(), plan)
	})
}

// TestAHundredWorkers run twenty thousand tasks; one leaves, one is killed, one comes.
func TestAHundredWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("a hundred workers")
	}
	each := 200
	if raced {
		each = 20 // what it costs with the detector grows with the square
	}
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, 1)
		s.prompt = true
		defer s.close()
		for n := range 100 {
			s.join(fmt.Sprint("w", n))
		}
		pass(time.Second)
		for n := range 100 {
			s.put(fmt.Sprint("c", n), each)
		}
		pass(time.Minute)
		s.settled()
		before := s.started()
		if len(before) != 100*each {
			t.Fatalf("%d tasks run, want %d", len(before), 100*each)
		}
		leaves, dies := s.nodes["w50"], s.nodes["w60"]
		moved := append(s.of(leaves), s.of(dies)...)
		leaves.end()
		s.kill(dies, 3*time.Second)
		pass(20 * time.Second)
		s.settled()
		slices.Sort(moved)
		same(t, "started again", s.again(before), moved)
		before = s.started()
		n := s.join("another")
		pass(20 * time.Second)
		s.settled()
		same(t, "moved to the one that came", s.again(before), s.of(n))
	})
}

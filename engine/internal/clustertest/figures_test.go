package clustertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	// figuresEnvironment names the variable that asks for figures instead of tests.
	figuresEnvironment = "CLUSTER_FIGURES"
	// connectorsEnvironment names the variable with how many connectors there shall be in the end, 1000 by default.
	connectorsEnvironment = "CLUSTER_CONNECTORS"
)

// TestFigures measures a cluster of three workers, ours and then Kafka Connect's, with the same settings on the same broker:
// `make bench-cluster`. It prints, and demands nothing: a machine that others use says little of what is fast enough.
func TestFigures(t *testing.T) {
	if os.Getenv(figuresEnvironment) == "" {
		t.Skip("make bench-cluster measures")
	}
	many := 1000
	if text := os.Getenv(connectorsEnvironment); text != "" {
		var err error
		if many, err = strconv.Atoi(text); err != nil || many < 200 {
			t.Fatalf("%s=%s: at least 200", connectorsEnvironment, text)
		}
	}
	for _, genuine := range []bool{false, true} {
		who := "engine"
		if genuine {
			who = "Kafka Connect"
		}
		t.Run(who, func(t *testing.T) {
			replay(t, who, genuine)
			f := newFigures(t, who, genuine)
			f.additions(many)
			f.joins()
			f.dies("a follower")
			f.dies("the leader")
		})
	}
}

// figures is a cluster that is measured. Some of its connectors have something to do all the time; what happens to them is read
// from their topics, whose records have the time at which the broker had them.
type figures struct {
	*cluster
	who     string
	genuine bool
	topic   string         // of connectors that have nothing to do
	idle    string         // their file
	tasks   map[string]int // of each connector
	lines   []string       // topics of sources that read files to which lines are added
	rows    []string       // topics of sources that make rows; Kafka Connect has no such source
}

// Of each kind of busy source there are so many, and so many records a second each of them makes.
const (
	busy     = 12
	lineRate = 50
	rowRate  = 200
)

func newFigures(t *testing.T, who string, genuine bool) *figures {
	t.Helper()
	f := &figures{cluster: start(t, 3), who: who, genuine: genuine, tasks: map[string]int{}}
	f.topic, f.idle = f.group+"-t", filepath.Join(f.dir, "idle")
	write(t, f.idle)
	f.createTopics(f.topic)
	for _, w := range f.workers {
		f.begin(w)
	}
	if !genuine {
		f.settled(nil)
	}
	for i := range busy {
		// Of what a worker has too much the last in order of the name moves, and both kinds are to be seen.
		name := func(kind string) string { return fmt.Sprintf("%c-%s-%02d-%s", "az"[i%2], kind, i, f.group) }
		write(t, f.input(name("lines")))
		f.lines = append(f.lines, name("lines"))
		if !genuine {
			f.rows = append(f.rows, name("rows"))
		}
	}
	appended := "LogAppendTime"
	if _, err := f.admin.CreateTopics(t.Context(), 1, 1, map[string]*string{"message.timestamp.type": &appended}, slices.Concat(f.lines, f.rows)...); err != nil {
		t.Fatal(err)
	}
	for i, name := range f.lines {
		f.put(f.workers[i%3], name, f.source(name, f.input(name)))
	}
	for i, name := range f.rows {
		f.put(f.workers[i%3], name, map[string]string{
			"connector.class": "penstock.DatagenSource", "topic": name, "fields": "id:sequence", "rate": strconv.Itoa(rowRate), "tasks.max": "1",
			"value.converter": jsonClass, "value.converter.schemas.enable": "false", "key.converter": stringClass,
		})
	}
	f.run(f.tasks)
	f.feed()
	return f
}

func (f *figures) input(name string) string { return filepath.Join(f.dir, name+".in") }

func write(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *figures) begin(w *worker) {
	if f.genuine {
		w.beginGenuine()
	} else {
		w.begin()
	}
}

// source is a connector that reads a file.
func (f *figures) source(topic, file string) map[string]string {
	return map[string]string{
		"connector.class": "FileStreamSource", "topic": topic, "file": file, "tasks.max": "1", "key.converter": stringClass, "value.converter": stringClass,
	}
}

// feed adds lines to the files, which are numbers, until the test ends.
func (f *figures) feed() {
	life, end := context.WithCancel(f.t.Context())
	var feeding sync.WaitGroup
	f.t.Cleanup(func() {
		end()
		feeding.Wait()
	})
	feeding.Go(func() {
		var files []*os.File
		for _, name := range f.lines {
			to, err := os.OpenFile(f.input(name), os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				f.t.Error(err)
				return
			}
			defer to.Close() //nolint:errcheck // of a folder that goes
			files = append(files, to)
		}
		begun := time.Now()
		for n := 0; life.Err() == nil; n++ {
			for _, to := range files {
				if _, err := fmt.Fprintln(to, n); err != nil {
					f.t.Error(err)
					return
				}
			}
			pause(life, time.Until(begun.Add(time.Duration(n+1)*time.Second/lineRate)))
		}
	})
}

// say prints a figure.
func (f *figures) say(format string, args ...any) {
	f.t.Helper()
	f.t.Logf("%s: %s", f.who, fmt.Sprintf(format, args...))
}

// put creates a connector or changes it. A worker of Kafka Connect refuses calls while a rebalance is under way, which counts.
func (f *figures) put(w *worker, name string, config map[string]string) time.Duration {
	f.t.Helper()
	begun := time.Now()
	for {
		a := w.call(f.t.Context(), http.MethodPut, "/connectors/"+name+"/config", config)
		if a.err == nil && a.status < 300 {
			return time.Since(begun)
		}
		if a.err != nil || a.status != http.StatusConflict || time.Since(begun) > patience {
			f.t.Fatalf("%s: PUT %s: %s", f.who, name, a)
		}
		pause(f.t.Context(), 50*time.Millisecond)
	}
}

// add puts an idle connector whose batches have a size, by which two configurations differ, and returns how long that took.
func (f *figures) add(i int, name string, batch int) time.Duration {
	f.t.Helper()
	config := f.source(f.topic, f.idle)
	config["batch.size"] = strconv.Itoa(batch)
	return f.put(f.workers[i%3], name, config)
}

// additions adds connectors, one at a time and many at once.
func (f *figures) additions(many int) {
	f.t.Helper()
	begun := time.Now()
	tasks := map[string]int{}
	for i := range 100 - len(f.lines) - len(f.rows) {
		name := fmt.Sprintf("c-%03d", i)
		f.add(i, name, 10)
		tasks[name] = 1
	}
	created := time.Since(begun)
	f.run(tasks)
	f.say("%d connectors created one after the other in %s, running after %s", len(tasks), ms(created), ms(time.Since(begun)))
	f.addedAmong(100, 10)

	var writes []time.Duration
	for i := range 100 {
		writes = append(writes, f.add(i, fmt.Sprintf("c-%03d", i%len(tasks)), 11+i/len(tasks)))
	}
	f.say("a change by REST: %s", quantiles(writes))
	f.run(tasks)

	begun = time.Now()
	rest := many - 100 - 10
	var creating sync.WaitGroup
	for k := range 10 {
		creating.Go(func() {
			for i := k; i < rest; i += 10 {
				f.add(i, fmt.Sprintf("m-%04d", i), 10)
			}
		})
	}
	creating.Wait()
	created = time.Since(begun)
	for i := range rest {
		tasks[fmt.Sprintf("m-%04d", i)] = 1
	}
	f.run(tasks)
	f.say("%d more by ten callers in %s, all %d running after %s", rest, ms(created), many, ms(time.Since(begun)))
	f.addedAmong(many, 5)
}

// addedAmong adds some connectors one after the other, each when the one before runs.
func (f *figures) addedAmong(others, count int) {
	f.t.Helper()
	pause(f.t.Context(), 2*time.Second)
	before, since := f.owners(), time.Now()
	var added []time.Duration
	for i := range count {
		name := fmt.Sprintf("added-%d-%d", others, i)
		begun := time.Now()
		f.add(i, name, 10)
		f.run(map[string]int{name: 1})
		added = append(added, time.Since(begun))
	}
	f.say("one added among %d, until it runs: %s", others, quantiles(added))
	until := time.Now()
	pause(f.t.Context(), 2*time.Second)
	f.others("meanwhile, of those that were there", before, since, until)
}

// joins stops a worker and, when all runs elsewhere, starts it again.
func (f *figures) joins() {
	f.t.Helper()
	last := f.workers[2]
	last.stop()
	f.elsewhere(last)
	pause(f.t.Context(), 5*time.Second)
	before, since := f.owners(), time.Now()
	last.launchAs(f.genuine)
	var listens time.Duration
	f.until("a share of a third", func() bool {
		if listens == 0 && last.answers() {
			listens = time.Since(since)
		}
		all, ran := f.states()
		share, total := 0, 0
		for _, is := range all {
			for _, task := range is.Tasks {
				total++
				if task.Worker == last.address() {
					share++
				}
			}
		}
		return ran && 3*share >= total-6
	})
	last.serves(true)
	settled := time.Now()
	f.say("a worker joins: its API answers after %s, it has its third of %d tasks and all run after %s", ms(listens), len(before), ms(settled.Sub(since)))
	pause(f.t.Context(), 2*time.Second)
	f.others("meanwhile, of those that stayed", before, since, settled)
}

// dies kills a worker, and starts it again when all that it ran runs elsewhere.
func (f *figures) dies(role string) {
	f.t.Helper()
	victim := f.leads()
	if role == "a follower" {
		victim = f.workers[victim.number%3]
	}
	pause(f.t.Context(), 5*time.Second)
	before, repeats := f.owners(), map[string]int{}
	for _, topic := range f.lines {
		repeats[topic] = f.repeats(topic)
	}
	since := time.Now()
	victim.kill()
	f.elsewhere(victim)
	settled := time.Now()
	f.say("%s killed: everything runs elsewhere after %s; the session is %s, the delay %s", role, ms(settled.Sub(since)), session, delay)
	pause(f.t.Context(), 3*time.Second)
	var repeated []int
	for _, topic := range f.lines {
		if before[topic] == victim.address() {
			repeated = append(repeated, f.repeats(topic)-repeats[topic])
		}
	}
	if len(repeated) > 0 {
		f.say("of %d of its sources each repeated at most %.1f s of its input; offsets are stored every %s", len(repeated), float64(slices.Max(repeated))/lineRate, flush)
	}
	f.others("meanwhile, of those that stayed", before, since, settled)
	f.begin(victim)
	f.until("the worker to have its share again", func() bool {
		all, ran := f.states()
		return ran && slices.ContainsFunc(all, func(is status) bool {
			return slices.ContainsFunc(is.Tasks, func(s state) bool { return s.Worker == victim.address() })
		})
	})
}

// elsewhere waits until all runs, and nothing on a worker.
func (f *figures) elsewhere(gone *worker) {
	f.t.Helper()
	f.until("all to run elsewhere", func() bool {
		all, ran := f.states()
		return ran && !slices.ContainsFunc(all, func(is status) bool {
			return is.Connector.Worker == gone.address() || slices.ContainsFunc(is.Tasks, func(s state) bool { return s.Worker == gone.address() })
		})
	})
}

// until waits as long as the slowest of all needs.
func (f *figures) until(what string, holds func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); !holds(); pause(f.t.Context(), 20*time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: waited in vain for %s", f.who, what)
		}
	}
}

// states is what the first worker that is up says of all connectors, and whether all that is there runs.
func (f *figures) states() (all []status, run bool) {
	for _, w := range f.workers {
		if _, up := w.untouched(); !up {
			continue
		}
		a := w.call(f.t.Context(), http.MethodGet, "/connectors?expand=status", nil)
		var parsed map[string]struct{ Status status }
		if a.err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &parsed) != nil {
			return nil, false
		}
		run = len(parsed) > 0
		for name, is := range parsed {
			is.Status.Name = name
			all = append(all, is.Status)
			run = run && is.Status.Connector.State == "RUNNING" && len(is.Status.Tasks) > 0 &&
				!slices.ContainsFunc(is.Status.Tasks, func(s state) bool { return s.State != "RUNNING" })
		}
		return all, run
	}
	return nil, false
}

// owners is who runs the first task of each connector.
func (f *figures) owners() map[string]string {
	owners := map[string]string{}
	all, _ := f.states()
	for _, is := range all {
		if len(is.Tasks) > 0 {
			owners[is.Name] = is.Tasks[0].Worker
		}
	}
	return owners
}

// leads is the worker that leads. Of Kafka Connect, what a member is assigned has the leader's URL in it.
func (f *figures) leads() *worker {
	f.t.Helper()
	if !f.genuine {
		return f.leader()
	}
	groups, err := f.admin.DescribeGroups(f.t.Context(), f.group)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, m := range groups[f.group].Members {
		for _, w := range f.workers {
			if a, is := m.Assigned.AsConnect(); is && a.LeaderURL == "http://"+w.address()+"/" {
				return w
			}
		}
	}
	f.t.Fatalf("nobody leads %s", f.group)
	return nil
}

// others says what became of the busy sources between two moments: how long those that moved were silent, how long those that
// did not, and how much of what they make the latter lost in any second.
func (f *figures) others(what string, before map[string]string, since, until time.Time) {
	f.t.Helper()
	after := f.owners()
	var moved, stayed []time.Duration
	var steady [][]time.Time
	sources := slices.Concat(f.rows, f.lines)
	for i, topic := range sources {
		times := f.times(topic, since.Add(-time.Second))
		silence := longest(times, since.Add(-time.Second), until.Add(2*time.Second))
		if before[topic] != after[topic] {
			moved = append(moved, silence)
			continue
		}
		stayed = append(stayed, silence)
		if i < len(f.rows) { // the rest looks at its file now and then
			steady = append(steady, times)
		}
	}
	if len(moved) > 0 {
		f.say("%d of %d busy sources moved; their longest silence: %s", len(moved), len(sources), quantiles(moved))
	}
	if len(stayed) == 0 {
		return
	}
	text := fmt.Sprintf("%s, the longest silence of any of %d: %s", what, len(stayed), ms(slices.Max(stayed)))
	if len(steady) > 0 {
		text += fmt.Sprintf("; the worst second had %.1f %% less than their rate", 100*lost(steady, since, until))
	}
	f.say("%s", text)
}

// times is when the broker had the records of a topic, from a moment on.
func (f *figures) times(topic string, since time.Time) []time.Time {
	var times []time.Time
	for _, r := range f.since(topic, since) {
		times = append(times, r.Timestamp)
	}
	return times
}

// longest is the longest time without a record.
func longest(times []time.Time, since, until time.Time) (most time.Duration) {
	at := since
	for _, next := range append(slices.DeleteFunc(slices.Clone(times), func(t time.Time) bool { return t.After(until) }), until) {
		most = max(most, next.Sub(at))
		at = next
	}
	return most
}

// lost is the part of what sources make together that is missing in the worst second.
func lost(all [][]time.Time, since, until time.Time) float64 {
	const step = 100 * time.Millisecond
	counts := make([]int, max(until.Sub(since)/step, 10))
	for _, times := range all {
		for _, t := range times {
			if i := int(t.Sub(since) / step); t.After(since) && i < len(counts) {
				counts[i]++
			}
		}
	}
	least := len(all) * rowRate
	for i := range len(counts) - 9 {
		sum := 0
		for _, n := range counts[i : i+10] {
			sum += n
		}
		least = min(least, sum)
	}
	return 1 - float64(least)/float64(len(all)*rowRate)
}

// repeats is how many records of a topic are lines that stand before them already.
func (f *figures) repeats(topic string) int {
	found := map[string]bool{}
	repeats := 0
	for _, r := range f.all(topic, true) {
		if found[string(r.Value)] {
			repeats++
		}
		found[string(r.Value)] = true
	}
	return repeats
}

// run waits until connectors and their tasks run.
func (f *figures) run(tasks map[string]int) {
	f.t.Helper()
	f.until("connectors to run", func() bool {
		ok, _ := allRun(f.workers[0], tasks)
		return ok
	})
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func quantiles(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("p50 %s, p99 %s of %d", all[len(all)/2].Round(time.Microsecond*100), all[len(all)*99/100].Round(time.Microsecond*100), len(all))
}

// TestLossesAreSeen: what figures are made of finds what is missing.
func TestLossesAreSeen(t *testing.T) {
	t.Parallel()
	begun := time.Unix(1000, 0)
	until := begun.Add(5 * time.Second)
	var whole, halted []time.Time
	for i := range 5 * rowRate {
		at := begun.Add(time.Duration(i)*time.Second/rowRate + time.Millisecond)
		whole = append(whole, at)
		if at.Sub(begun) < 2*time.Second || at.Sub(begun) > 2500*time.Millisecond {
			halted = append(halted, at)
		}
	}
	if got := lost([][]time.Time{whole, whole}, begun, until); got > 0.001 {
		t.Errorf("of what is whole, %.3f is said to be lost", got)
	}
	if got := lost([][]time.Time{whole, halted}, begun, until); got < 0.24 || got > 0.26 {
		t.Errorf("of a quarter, %.3f is said to be lost", got)
	}
	if got := longest(halted, begun, until); got < 490*time.Millisecond || got > 520*time.Millisecond {
		t.Errorf("got a silence of %s, want half a second", got)
	}
	if got := longest(nil, begun, until); got != 5*time.Second {
		t.Errorf("got a silence of %s, want all of it", got)
	}
}

package clustertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// timeEnvironment names the variable with how long workers are killed and frozen.
	timeEnvironment = "CLUSTER_TIME"
	// seedEnvironment names the variable with the seed of a run that shall be repeated.
	seedEnvironment = "CLUSTER_SEED"
)

// Of each kind of pipeline there are so many, and a sink for every topic of the sources.
const (
	datagens = 10
	files    = 5
)

const (
	stringClass = "org.apache.kafka.connect.storage.StringConverter"
	jsonClass   = "org.apache.kafka.connect.json.JsonConverter"
)

// load is the pipelines of a run, and what goes in.
type load struct {
	*cluster
	tasks  map[string]int // of each connector
	topics []string       // as sources
	lines  int            // written to each file
}

// stamped makes a source say on each record which life of which worker made it.
func stamped(config map[string]string, transforms string) map[string]string {
	maps.Copy(config, map[string]string{
		"value.converter": jsonClass, "value.converter.schemas.enable": "false", "key.converter": stringClass,
		"transforms": transforms, "transforms.stamp.type": "org.apache.kafka.connect.transforms.InsertField$Value",
		"transforms.stamp.static.field": "worker", "transforms.stamp.static.value": "${env:WORKER}",
	})
	return config
}

// newLoad creates the pipelines, through every worker in turn.
func newLoad(c *cluster) *load {
	l := &load{cluster: c, tasks: map[string]int{}}
	configs := map[string]map[string]string{}
	for i := range datagens {
		name := fmt.Sprintf("%s-rows-%d", c.group, i)
		l.tasks[name] = 1 + i%2
		configs[name] = stamped(map[string]string{
			"connector.class": "penstock.DatagenSource", "topic": name, "fields": "id:sequence", "rate": "50", "tasks.max": strconv.Itoa(l.tasks[name]),
		}, "stamp")
		l.topics = append(l.topics, name)
	}
	for i := range files {
		name := fmt.Sprintf("%s-lines-%d", c.group, i)
		l.tasks[name] = 1
		configs[name] = stamped(map[string]string{
			"connector.class": "FileStreamSource", "topic": name, "file": l.input(name), "transforms.line.type": "org.apache.kafka.connect.transforms.HoistField$Value",
			"transforms.line.field": "id",
		}, "line,stamp")
		l.topics = append(l.topics, name)
	}
	c.createTopics(append([]string{c.group + "-other"}, l.topics...)...)
	for _, topic := range l.topics {
		name := topic + "-sink"
		l.tasks[name] = 1
		configs[name] = map[string]string{
			"connector.class": "FileStreamSink", "topics": topic, "file": l.output(topic), "key.converter": stringClass, "value.converter": stringClass,
		}
	}
	l.write()
	for i, name := range slices.Sorted(maps.Keys(configs)) {
		c.workers[i%len(c.workers)].must(http.MethodPut, "/connectors/"+name+"/config", configs[name], http.StatusCreated)
	}
	return l
}

func (l *load) input(name string) string   { return filepath.Join(l.dir, name+".in") }
func (l *load) output(topic string) string { return filepath.Join(l.dir, topic+".out") }

// write adds a line to each file, which is its number.
func (l *load) write() {
	for _, name := range l.topics[datagens:] {
		f, err := os.OpenFile(l.input(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			l.t.Error(err)
			return
		}
		if _, err := fmt.Fprintln(f, l.lines); err != nil {
			l.t.Error(err)
		}
		if err := f.Close(); err != nil {
			l.t.Error(err)
		}
	}
	l.lines++
}

// TestRandomFailures runs thirty pipelines on three workers, which are killed and frozen at random while people work with
// them, and the broker is restarted once. Nothing is lost, no two workers run a task at a time (invariant 5), and every
// call is answered or refused in words.
func TestRandomFailures(t *testing.T) {
	c := start(t, 3)
	lasts := 2 * time.Minute
	if text := os.Getenv(timeEnvironment); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", timeEnvironment, err)
		}
	}
	seed := rand.Uint64()
	if text := os.Getenv(seedEnvironment); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedEnvironment, err)
		}
	}
	t.Logf("%s=%d", seedEnvironment, seed)
	for _, w := range c.workers {
		w.begin()
	}
	c.settled(nil)
	l := newLoad(c)
	other := map[string]string{"connector.class": "FileStreamSource", "topic": c.group + "-other", "batch.size": "1000", "file": filepath.Join(c.dir, "other.in")}
	if err := os.WriteFile(other["file"], []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.workers[0].must(http.MethodPut, "/connectors/ledger/config", other, http.StatusCreated)
	c.settled(l.tasks)

	ask := &caller{cluster: c, random: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int{}}        //nolint:gosec // no secret
	visit := &caller{cluster: c, random: rand.New(rand.NewPCG(seed, 2)), counts: map[string]int{}}      //nolint:gosec // no secret
	trouble := &trouble{cluster: c, random: rand.New(rand.NewPCG(seed, 3)), end: time.Now().Add(lasts)} //nolint:gosec // no secret
	life, end := context.WithCancel(t.Context())
	defer end()
	var busy sync.WaitGroup
	var stored, written int
	busy.Go(func() { stored, written = ask.ledger(life, "ledger", maps.Clone(other)) })
	busy.Go(func() { visit.visitor(life, l.topics, maps.Clone(other)) })
	busy.Go(func() {
		for life.Err() == nil {
			l.write()
			pause(life, 20*time.Millisecond)
		}
	})
	trouble.make()
	end()
	busy.Wait()
	for _, k := range []*caller{ask, visit} {
		for _, kind := range slices.Sorted(maps.Keys(k.counts)) {
			t.Logf("calls: %5d %s", k.counts[kind], kind)
		}
		slices.Sort(k.slow)
		if n := len(k.slow); n > 0 {
			t.Logf("writes: %d, p50 %s, p99 %s, slowest %s", n, k.slow[n/2], k.slow[n*99/100], k.slow[n-1])
		}
	}
	// What nobody answered may have left a connector paused, or gone on after the answer was given up.
	for _, topic := range l.topics {
		c.workers[1].must(http.MethodPut, "/connectors/"+topic+"/resume", nil, http.StatusAccepted)
	}
	c.settled(l.tasks)
	for _, w := range c.workers {
		if got := size(t, w.must(http.MethodGet, "/connectors/ledger/config", nil, http.StatusOK)); got < stored || got > written {
			t.Errorf("worker %d: the ledger is %d, and %d was acknowledged and %d written last", w.number, got, stored, written)
		}
	}
	l.drained()
	l.check(trouble)
}

// trouble is what happens to the workers.
type trouble struct {
	*cluster
	random *rand.Rand
	end    time.Time

	frozen map[string]bool // lives that were
	counts map[string]int
}

// make kills, stops and freezes workers until the end, one or two at a time, and restarts the broker in the middle.
func (tr *trouble) make() {
	tr.frozen, tr.counts = map[string]bool{}, map[string]int{}
	begun := time.Now()
	middle := begun.Add(time.Until(tr.end) / 2)
	restarted := false
	for time.Now().Before(tr.end) && !tr.t.Failed() {
		if !restarted && time.Now().After(middle) {
			restarted = true
			tr.note(begun, "the broker is restarted")
			tr.script("restart")
		}
		var down sync.WaitGroup
		first := tr.victim(nil)
		tr.harm(begun, first, &down)
		if tr.random.IntN(4) == 0 {
			pause(tr.t.Context(), tr.upTo(3*time.Second))
			tr.harm(begun, tr.victim(first), &down)
		}
		down.Wait()
		pause(tr.t.Context(), tr.upTo(8*time.Second))
	}
	for _, kind := range slices.Sorted(maps.Keys(tr.counts)) {
		tr.t.Logf("trouble: %3d × %s", tr.counts[kind], kind)
	}
}

func (tr *trouble) upTo(d time.Duration) time.Duration {
	return time.Duration(tr.random.Int64N(int64(d)))
}

func (tr *trouble) note(begun time.Time, format string, args ...any) {
	tr.t.Logf("%7.1fs %s", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
}

// victim is the leader, every other time, or anybody but except.
func (tr *trouble) victim(except *worker) *worker {
	if tr.random.IntN(2) == 0 {
		if w := tr.leader(); w != nil && w != except {
			return w
		}
	}
	for {
		if w := tr.workers[tr.random.IntN(len(tr.workers))]; w != except {
			return w
		}
	}
}

// harm does something to a worker now, and makes good for it after a while; down is done then.
func (tr *trouble) harm(begun time.Time, w *worker, down *sync.WaitGroup) {
	role := "a follower"
	if tr.leader() == w {
		role = "the leader"
	}
	what, heal := "killed", w.begin
	after := tr.upTo(15 * time.Second)
	switch kind := tr.random.IntN(5); {
	case kind < 2:
		w.kill()
	case kind < 4:
		what = "frozen"
		after = tr.upTo(25 * time.Second)
		tr.frozen[w.life()] = true
		w.signal(syscall.SIGSTOP)
		heal = func() { w.signal(syscall.SIGCONT) }
	default:
		what = "stopped"
		w.stop()
	}
	tr.counts[role+" "+what]++
	tr.note(begun, "worker %d, %s, is %s for %s", w.number, role, what, after.Round(time.Millisecond))
	down.Go(func() {
		pause(tr.t.Context(), after)
		heal()
	})
}

// life is what the present process of a worker writes on records.
func (w *worker) life() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%d/%d", w.number, w.lives)
}

// drained stops the sources that have no end, and waits until all that went in has come out.
func (l *load) drained() {
	l.t.Helper()
	for _, topic := range l.topics[:datagens] {
		l.workers[2].must(http.MethodPut, "/connectors/"+topic+"/stop", nil, http.StatusNoContent)
	}
	for _, topic := range l.topics[datagens:] {
		await(l.t, "the end of "+l.input(topic), func() (bool, string) {
			found := map[int]bool{}
			for _, r := range l.all(topic, true) {
				found[l.parse(r.Value).number] = true
			}
			return len(found) == l.lines, fmt.Sprintf("%d of %d lines are in the topic", len(found), l.lines)
		})
	}
	for _, topic := range l.topics[:datagens] {
		await(l.t, topic+" to stop", func() (bool, string) {
			a := l.workers[0].call(l.t.Context(), http.MethodGet, "/connectors/"+topic+"/status", nil)
			var s status
			return json.Unmarshal(a.body, &s) == nil && s.Connector.State == "STOPPED" && len(s.Tasks) == 0, a.String()
		})
	}
}

// row is what is on a record.
type row struct {
	number int
	worker string
}

var rowPattern = regexp.MustCompile(`\{"id":"?(\d+)"?,"worker":"(\d+/\d+)"\}`)

func (l *load) parse(value []byte) row {
	m := rowPattern.FindSubmatch(value)
	if m == nil {
		l.t.Fatalf("a record is not what was sent: %s", value)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		l.t.Fatal(err)
	}
	return row{n, string(m[2])}
}

// check compares what came out with what went in.
func (l *load) check(tr *trouble) {
	history := l.history()
	total, repeats, late := 0, 0, 0
	for i, topic := range l.topics {
		records := l.all(topic, true)
		times := map[int]int{}
		owners := map[int]*tenures{}
		for _, r := range records {
			is := l.parse(r.Value)
			times[is.number]++
			task := is.number % l.tasks[topic]
			if owners[task] == nil {
				owners[task] = &tenures{}
			}
			owners[task].add(is.worker, r.Timestamp)
		}
		want := l.lines
		if i < datagens {
			want = l.rows(topic)
		}
		for n := range want {
			if times[n] == 0 {
				l.t.Errorf("%s: row %d of %d is lost", topic, n, want)
				break
			}
		}
		total, repeats = total+len(records), repeats+len(records)-len(times)
		for task, o := range owners {
			late += o.late(l.t, tr, topic, task)
			if is := o.contradicts(history[fmt.Sprintf("%s %d", topic, task)]); is != "" {
				l.t.Errorf("%s, task %d: %s", topic, task, is)
			}
		}
		l.sunk(topic, times)
	}
	l.t.Logf("%d records, %d of them repeats, %d of them written late by a worker that had been frozen", total, repeats, late)
}

// rows is how many rows of a datagen have been delivered by what its tasks have stored: the smallest that is not.
func (l *load) rows(topic string) int {
	var is struct {
		Offsets []struct {
			Offset struct{ Row int }
		}
	}
	if err := json.Unmarshal(l.workers[0].must(http.MethodGet, "/connectors/"+topic+"/offsets", nil, http.StatusOK), &is); err != nil {
		l.t.Fatal(err)
	}
	if len(is.Offsets) != l.tasks[topic] {
		l.t.Errorf("%s has offsets %+v, want one for each of %d tasks", topic, is.Offsets, l.tasks[topic])
		return 0
	}
	least := is.Offsets[0].Offset.Row
	for _, o := range is.Offsets {
		least = min(least, o.Offset.Row)
	}
	return least + 1
}

// sunk waits until all that a topic holds stands in the file of its sink.
func (l *load) sunk(topic string, want map[int]int) {
	l.t.Helper()
	await(l.t, "all lines of "+l.output(topic), func() (bool, string) {
		found := map[int]bool{}
		for _, m := range rowPattern.FindAllStringSubmatch(read(l.output(topic)), -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				l.t.Fatal(err)
			}
			found[n] = true
		}
		for n := range want {
			if !found[n] {
				return false, fmt.Sprintf("row %d is not there; %d of %d are", n, len(found), len(want))
			}
		}
		return true, ""
	})
}

// history is which workers every task was placed on, one after the other, as the config topic tells: every plan that was
// committed stands in it, since nothing is compacted that soon.
func (l *load) history() map[string][]string {
	type placed struct {
		epoch  int64
		worker string
	}
	all := map[string]map[placed]bool{}
	for _, r := range l.all(l.group+"-configs", true) {
		member, ok := strings.CutPrefix(string(r.Key), "plan-")
		if !ok || len(r.Value) == 0 {
			continue
		}
		var share struct {
			Placements map[string][][]any
		}
		if err := json.Unmarshal(r.Value, &share); err != nil {
			l.t.Fatalf("%v in %s", err, r.Value)
		}
		for connector, places := range share.Placements {
			for _, p := range places {
				if len(p) == 4 { // leaving
					continue
				}
				key := fmt.Sprintf("%s %v", connector, p[0])
				if all[key] == nil {
					all[key] = map[placed]bool{}
				}
				all[key][placed{int64(p[1].(float64)), l.numberOf(member)}] = true
			}
		}
	}
	history := map[string][]string{}
	for key, set := range all {
		for _, p := range slices.SortedFunc(maps.Keys(set), func(a, b placed) int { return int(a.epoch - b.epoch) }) {
			if h := history[key]; len(h) == 0 || h[len(h)-1] != p.worker {
				history[key] = append(h, p.worker)
			}
		}
	}
	return history
}

// numberOf is the number of the worker that a member is a life of.
func (c *cluster) numberOf(member string) string {
	for _, w := range c.workers {
		if strings.HasPrefix(member, w.address()+"/") {
			return strconv.Itoa(w.number)
		}
	}
	c.t.Fatalf("the plan has a member %q, which is none of ours", member)
	return ""
}

// made is a record of a task: who made it and when.
type made struct {
	worker string
	at     time.Time
}

// tenures is who ran a task.
type tenures struct{ records []made } // in the order of the log

func (o *tenures) add(worker string, at time.Time) { o.records = append(o.records, made{worker, at}) }

// contradicts says how the order in which workers made records of a task differs from the one in which it was placed on
// them, "" when it does not: two that run it at a time take turns more often than the plan says.
func (o *tenures) contradicts(placed []string) string {
	sorted := slices.Clone(o.records)
	slices.SortStableFunc(sorted, func(a, b made) int { return a.at.Compare(b.at) })
	var turns []made
	for _, r := range sorted {
		number, _, _ := strings.Cut(r.worker, "/")
		if n := len(turns); n == 0 || turns[n-1].worker != number {
			turns = append(turns, made{number, r.at})
		}
	}
	rest := placed
	for _, turn := range turns {
		i := slices.Index(rest, turn.worker)
		if i < 0 {
			return fmt.Sprintf("made by %v in turn, and placed on %v: worker %s did so at %s", turns, placed, turn.worker, turn.at)
		}
		rest = rest[i+1:]
	}
	return ""
}

// TestTwoOwnersAreSeen: what is looked for after a run is found when it is there.
func TestTwoOwnersAreSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		made   string // a record a letter, a worker each, in the order of making
		placed string
		ok     bool
	}{
		{"aaabbb", "ab", true},
		{"aaabbb", "cabca", true},
		{"aabbaa", "aba", true},
		{"ababab", "ab", false},
		{"aabbab", "ab", false},
		{"aac", "ab", false},
		{"", "ab", true},
	} {
		var o tenures
		for i, worker := range c.made {
			o.add(string(worker)+"/1", time.UnixMilli(int64(i)))
		}
		if is := o.contradicts(strings.Split(c.placed, "")); (is == "") != c.ok {
			t.Errorf("made by %s, placed on %s: got %q", c.made, c.placed, is)
		}
	}
}

// late counts the records that stand behind one of a later owner. Only what a frozen worker had in flight may.
func (o *tenures) late(t *testing.T, tr *trouble, topic string, task int) (late int) {
	var newest made
	for _, r := range o.records {
		switch {
		case !r.at.Before(newest.at):
			newest = r
		case r.worker != newest.worker:
			late++
			if !tr.frozen[r.worker] {
				t.Errorf("%s, task %d: worker %s, which was never frozen, wrote a record of %s after one of worker %s of %s", topic, task, r.worker, r.at, newest.worker, newest.at)
			}
		}
	}
	return late
}

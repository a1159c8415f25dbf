package task

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// TestTransitions walks all pairs of states.
func TestTransitions(t *testing.T) {
	t.Parallel()
	allowed := map[State][]State{
		Starting: {Running, Paused, Stopping},
		Running:  {Paused, Stopping},
		Paused:   {Starting, Running, Stopping},
		Stopping: {Stopped, Failed},
	}
	all := []State{Starting, Running, Paused, Stopping, Stopped, Failed}
	for _, from := range all {
		for _, to := range all {
			var told []Report
			m := machine{state: from, report: func(r Report) { told = append(told, r) }}
			want := slices.Contains(allowed[from], to)
			if got := m.to(to, nil); got != want {
				t.Errorf("%s to %s: got %v, want %v", from, to, got, want)
			}
			if (len(told) == 1) != want || (m.state == to) != (want || from == to) {
				t.Errorf("%s to %s: told %v, now %s", from, to, told, m.state)
			}
		}
	}
}

func TestConditionIsToldOnceAndTakenBack(t *testing.T) {
	t.Parallel()
	var told []string
	m := machine{state: Running, report: func(r Report) { told = append(told, fmt.Sprint(r.State, r.Err)) }}
	m.note(nil)
	m.note(errors.New("disk"))
	m.note(errors.New("disk"))
	m.note(nil)
	m.to(Stopping, nil)
	m.note(errors.New("late"))
	m.mute()
	m.to(Stopped, nil)
	want := []string{"running disk", "running <nil>", "stopping <nil>"}
	if d := cmp.Diff(want, told); d != "" {
		t.Error(d)
	}
}

func TestRequestsEndAWaitThatBeginsLate(t *testing.T) {
	t.Parallel()
	var c control
	_, seq, changed := c.look()
	c.setPaused(true)
	select {
	case <-changed:
	default:
		t.Error("the channel of the look before is still open")
	}
	called := 0
	c.onRequest(seq, func() { called++ })
	if called != 1 {
		t.Errorf("a request between look and wait: the wait was ended %d times, want 1", called)
	}
	paused, seq, _ := c.look()
	c.onRequest(seq, func() { called++ })
	c.poke()
	c.onRequest(seq, nil)
	c.poke()
	if called != 2 || !paused {
		t.Errorf("got %d calls and paused %v, want 2 and true", called, paused)
	}
}

type counts struct{ tolerate bool }

func (c counts) refused(*kgo.Record, error) bool { return c.tolerate }

// model is the tracker beside a plain list of records.
type model struct {
	*rapid.T
	parts   *record.Partitions
	tracker *tracker
	flights chan *flight
	records []*modelled
	answers []func()      // of records under way
	taken   map[int32]int // by partition, an index of records
	takes   int           // positions taken
}

type modelled struct {
	partition int32
	batch     int
	done      bool
}

const modelLanes, modelFlights = 3, 100

func newModel(t *rapid.T) *model {
	m := &model{T: t, parts: &record.Partitions{}, flights: newFlights(modelFlights), taken: map[int32]int{}}
	m.tracker = &tracker{answer: counts{true}, meter: &Meter{}}
	for i := range modelLanes {
		m.parts.Intern(record.OfInt64(int64(i)))
	}
	return m
}

// send begins a batch of random partitions with some records dropped.
func (m *model) send() {
	b := record.NewBatch(record.FromSource, m.parts)
	first := len(m.records)
	for range rapid.IntRange(0, 8).Draw(m.T, "records") {
		partition := int32(rapid.IntRange(0, modelLanes-1).Draw(m.T, "partition"))
		b.Append().Position = record.Position{Partition: partition, Offset: record.OfInt64(int64(len(m.records)))}
		r := &modelled{partition: partition, batch: first}
		if r.done = rapid.IntRange(0, 3).Draw(m.T, "drop") == 0; r.done {
			b.Drop(len(b.Records) - 1)
		}
		m.records = append(m.records, r)
	}
	f := <-m.flights
	n := m.tracker.begin(b, f)
	m.tracker.meter.InFlight.Add(int64(n))
	f.send(n)
	for i, r := range m.records[first:] {
		if !b.Live(i) {
			continue
		}
		var err error
		if rapid.IntRange(0, 9).Draw(m.T, "refuse") == 0 {
			err = errors.New("refused")
		}
		promise := m.tracker.promise(r.partition)
		m.answers = append(m.answers, func() { r.done = true; promise(&kgo.Record{}, err) })
	}
}

// answer lets one record that is under way arrive.
func (m *model) answer() {
	if n := len(m.answers); n > 0 {
		i := rapid.IntRange(0, n-1).Draw(m.T, "answer")
		m.answers[i]()
		m.answers = slices.Delete(m.answers, i, i+1)
	}
}

func (m *model) take() {
	for _, p := range m.tracker.take() {
		m.taken[p.Partition] = int(p.Offset.Int())
		m.takes++
	}
}

// want is the last record of a partition before the first batch that has one of its records under way; -1: none.
func (m *model) want(partition int32) int {
	last := -1
	for i, r := range m.records {
		stuck := func(o *modelled) bool { return o.partition == partition && o.batch == r.batch && !o.done }
		switch {
		case r.partition != partition:
		case slices.ContainsFunc(m.records, stuck):
			return last
		default:
			last = i
		}
	}
	return last
}

// TestTrackerTakesTheLongestDeliveredPrefix: batches of random partitions, some records dropped or refused, answers in
// random order, takes at random moments.
func TestTrackerTakesTheLongestDeliveredPrefix(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			rapid.SampledFrom([]func(){m.send, m.send, m.answer, m.take}).Draw(t, "step")()
		}
		m.take()
		for lane := range int32(modelLanes) {
			got, ok := m.taken[lane]
			if !ok {
				got = -1
			}
			if want := m.want(lane); got != want {
				t.Fatalf("partition %d: got record %d, want %d", lane, got, want)
			}
		}
		for _, a := range m.answers {
			a()
		}
		m.take()
		if got := len(m.flights); got != modelFlights {
			t.Fatalf("flights at home: got %d, want %d", got, modelFlights)
		}
		if got := m.tracker.meter.InFlight.Load(); got != 0 {
			t.Fatalf("in flight after all answers: got %d", got)
		}
		// What a committer takes and stores is what it takes off the count.
		if got := m.tracker.meter.unstored.Load(); got != int64(m.takes) {
			t.Fatalf("unstored: got %d, want the %d positions that were taken", got, m.takes)
		}
	})
}

func TestRefusedRecordHoldsItsPartition(t *testing.T) {
	t.Parallel()
	parts := &record.Partitions{}
	b := record.NewBatch(record.FromSource, parts)
	for i := range 2 {
		r := b.Append()
		r.Position = record.Position{Partition: parts.Intern(record.OfInt64(int64(i))), Offset: record.OfInt64(7)}
	}
	tr := &tracker{answer: counts{false}, meter: &Meter{}}
	f := <-newFlights(1)
	f.send(tr.begin(b, f))
	tr.promise(0)(nil, errors.New("refused"))
	tr.promise(1)(&kgo.Record{}, nil)
	got := tr.take()
	if len(got) != 1 || got[0].Partition != 1 {
		t.Errorf("got %v, want the position of partition 1 only (invariant 1)", got)
	}
}

func pairs(vs ...record.Value) record.Value { return record.OfMap(vs) }

func TestOffsetJSON(t *testing.T) {
	t.Parallel()
	str := record.OfString
	for _, c := range []struct {
		value record.Value
		want  string
	}{
		{pairs(), `{}`},
		{pairs(str("topic"), str("o"), str("cluster"), str("A"), str("partition"), record.OfInt32(0)), `{"cluster":"A","partition":0,"topic":"o"}`},
		{pairs(str("a"), record.Value{}, str("b"), record.OfBool(true), str("c"), record.OfInt8(-3), str("d"), record.OfInt64(math.MaxInt64)), `{"a":null,"b":true,"c":-3,"d":9223372036854775807}`},
		{pairs(str("x"), str("q\"b\\ \n\x01 é €")), "{\"x\":\"q\\\"b\\\\ \\n\\u0001 é €\"}"},
		{pairs(str("b"), record.OfBytes([]byte("hi"))), `{"b":"aGk="}`},
		{pairs(str("d"), record.OfFloat64(1)), `{"d":1.0}`},
		{pairs(str("d"), record.OfFloat64(1.5e-4)), `{"d":1.5E-4}`},
		{pairs(str("d"), record.OfFloat64(1e7)), `{"d":1.0E7}`},
		{pairs(str("d"), record.OfFloat64(9999999)), `{"d":9999999.0}`},
		{pairs(str("d"), record.OfFloat64(math.Copysign(0, -1))), `{"d":-0.0}`},
		{pairs(str("d"), record.OfFloat64(math.NaN())), `{"d":"NaN"}`},
		{pairs(str("d"), record.OfFloat64(math.Inf(-1))), `{"d":"-Infinity"}`},
		{pairs(str("f"), record.OfFloat32(0.1)), `{"f":0.1}`},
	} {
		if err := checkFlat(c.value); err != nil {
			t.Errorf("%s: %v", c.want, err)
		}
		if got := string(flatJSON(c.value)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	for _, bad := range []record.Value{
		record.OfString("no map"), pairs(record.OfInt8(1), str("x")), pairs(str("x"), record.OfArray(nil)), pairs(str("x"), pairs()),
		pairs(str("x"), record.OfDecimal(big.NewInt(1), 0)), pairs(str("x"), record.OfInstant(1)),
	} {
		if _, ok := errors.AsType[*plugin.DataError](checkFlat(bad)); !ok {
			t.Errorf("%s was accepted", bad.Kind())
		}
	}
}

func TestOffsetJSONRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var vs []record.Value
		for _, k := range rapid.SliceOfDistinct(rapid.String(), rapid.ID[string]).Draw(t, "keys") {
			v := rapid.OneOf(
				rapid.Just(record.Value{}), rapid.Map(rapid.Int64(), record.OfInt64), rapid.Map(rapid.String(), record.OfString), rapid.Map(rapid.Bool(), record.OfBool),
				rapid.Map(rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }), record.OfFloat64),
			).Draw(t, "value")
			vs = append(vs, record.OfString(k), v)
		}
		want := record.OfMap(vs)
		got, err := parseFlat(flatJSON(want))
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(want) {
			t.Fatalf("got %s, want %s", flatJSON(got), flatJSON(want))
		}
	})
}

func TestDamagedOffsetsAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`[`, `"x"`, `{"a":`, `{"a":[1]}`, `{"a":{}}`, ``} {
		if v, err := parseFlat([]byte(text)); err == nil {
			t.Errorf("%s: got %v", text, v.Kind())
		}
	}
	for _, text := range [][]byte{nil, []byte(`null`)} {
		if v, err := parseFlat(text); err != nil || !v.IsNull() {
			t.Errorf("%q: got %v, %v, want null", text, v.Kind(), err)
		}
	}
}

func TestRetryWaits(t *testing.T) {
	t.Parallel()
	busy := plugin.Retry(errors.New("busy"), 0)
	for _, c := range []struct {
		name  string
		e     graph.Errors
		err   error
		works int // the try that succeeds, from 1; 0: none
		want  []time.Duration
		ok    bool
	}{
		{"no retries", graph.Errors{RetryDelayMax: time.Minute}, busy, 1, nil, false},
		{"not marked", graph.Errors{RetryTimeout: time.Hour, RetryDelayMax: time.Minute}, errors.New("broken"), 1, nil, false},
		{"doubles", graph.Errors{RetryTimeout: -1, RetryDelayMax: time.Minute}, busy, 4, []time.Duration{300, 600, 1200, 2400}, true},
		{"deadline shortens the last wait", graph.Errors{RetryTimeout: 2 * time.Second, RetryDelayMax: time.Minute}, busy, 0, []time.Duration{300, 600, 1100}, false},
		{"the error's own wait", graph.Errors{RetryTimeout: -1, RetryDelayMax: time.Minute}, plugin.Retry(errors.New("busy"), 5*time.Second), 1, []time.Duration{5000}, true},
		{"an own wait past the deadline", graph.Errors{RetryTimeout: time.Second, RetryDelayMax: time.Minute}, plugin.Retry(errors.New("busy"), 5*time.Second), 1, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &policy{Errors: c.e, meter: &Meter{}, logger: slog.New(slog.DiscardHandler)}
				var waits []time.Duration
				last := time.Now()
				err := p.retry(t.Context(), c.err, func() error {
					waits = append(waits, time.Since(last)/time.Millisecond)
					last = time.Now()
					if len(waits) == c.works {
						return nil
					}
					return c.err
				})
				if d := cmp.Diff(c.want, waits); d != "" {
					t.Error(d)
				}
				if (err == nil) != c.ok {
					t.Errorf("got %v, want success %v", err, c.ok)
				}
				if got := p.meter.Retries.Load(); got != int64(len(c.want)) {
					t.Errorf("retries counted: got %d, want %d", got, len(c.want))
				}
			})
		})
	}
}

func TestRetryDelayPastTheMaximumIsRandomBelowIt(t *testing.T) {
	t.Parallel()
	p := &policy{Errors: graph.Errors{RetryDelayMax: time.Second}}
	for n := 2; n < 100; n++ {
		if d := p.delay(n); d < 0 || d >= time.Second {
			t.Errorf("delay %d: got %s, want within [0, 1s)", n, d)
		}
	}
	if d := p.delay(1); d != 600*time.Millisecond {
		t.Errorf("delay 1: got %s, want 600ms", d)
	}
}

func TestStopEndsTheWaitForAnotherTry(t *testing.T) {
	t.Parallel()
	halt := make(chan struct{})
	close(halt)
	p := &policy{Errors: graph.Errors{RetryTimeout: -1, RetryDelayMax: time.Hour}, meter: &Meter{}, halt: halt}
	err := p.retry(t.Context(), plugin.Retry(errors.New("busy"), time.Hour), func() error { t.Error("tried again"); return nil })
	if !errors.Is(err, errHalted) {
		t.Errorf("got %v, want %v", err, errHalted)
	}
}

func TestTopicGroups(t *testing.T) {
	t.Parallel()
	groups, err := newGroups([]graph.TopicGroup{
		{Name: "a", Include: []string{"app-.*", "x"}, Exclude: []string{"app-old.*"}},
		{Name: "b", Include: []string{"app-.*"}},
		{Name: "default"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]string{"app-1": "a", "x": "a", "xx": "default", "app-old-1": "b", "my-app-1": "default"} {
		i := slices.IndexFunc(groups, func(g topicGroup) bool { return g.takes(topic, g.Name == "default") })
		if got := groups[i].Name; got != want {
			t.Errorf("%s: got group %s, want %s", topic, got, want)
		}
	}
	_, err = newGroups([]graph.TopicGroup{{Name: "g", Include: []string{"(?=java)"}}})
	if c, ok := errors.AsType[*plugin.ConfigError](err); !ok || c.Key != "topic.creation.g.include" {
		t.Errorf("got %v, want an error of topic.creation.g.include", err)
	}
}

func TestErrorsForPeople(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err       error
		code      diag.Code
		permanent bool
	}{
		{kerr.UnknownTopicOrPartition, diag.TopicMissing, false},
		{kerr.UnknownTopicID, diag.TopicMissing, false},
		{kerr.MessageTooLarge, diag.BrokerRefused, true},
		{kerr.RecordListTooLarge, diag.BrokerRefused, true},
		{kerr.TopicAuthorizationFailed, diag.BrokerRefused, false},
		{kerr.GroupAuthorizationFailed, diag.BrokerRefused, false},
		{kerr.InvalidTopicException, diag.BrokerRefused, true},
		{kerr.UnknownServerError, "", false},
		{errors.New("other"), "", false},
	} {
		got := refusal("write to", "orders", fmt.Errorf("produce: %w", c.err))
		var code diag.Code
		if d, ok := errors.AsType[*diag.Diagnostic](got); ok {
			code = d.Code
			if !strings.Contains(d.Detail, "`orders`") {
				t.Errorf("%v: %q does not name the topic", c.err, d.Detail)
			}
		}
		_, permanent := errors.AsType[*plugin.PermanentError](got)
		if code != c.code || permanent != c.permanent {
			t.Errorf("%v: got %q, permanent %v, want %q, %v", c.err, code, permanent, c.code, c.permanent)
		}
	}
	for want, err := range map[string]error{
		"org.apache.kafka.connect.errors.DataException":      fmt.Errorf("x: %w", plugin.Data("d")),
		"org.apache.kafka.common.config.ConfigException":     plugin.Invalid("k", "v", ""),
		"org.apache.kafka.connect.errors.RetriableException": plugin.Retry(errors.New("r"), 0),
		"org.apache.kafka.connect.errors.ConnectException":   errors.New("other"),
	} {
		if got := classOf(err); got != want {
			t.Errorf("%v: got %s, want %s", err, got, want)
		}
	}
}

func TestValuesAsText(t *testing.T) {
	t.Parallel()
	inner := record.Build(record.Struct).Field("n", record.Required(record.Int32)).Field("s", record.OptionalOf(record.String)).MustBuild()
	list := record.BuildArray(inner).MustBuild()
	item := record.OfStruct([]record.Value{record.OfInt32(1), {}})
	for want, d := range map[string]record.Datum{
		"null":                       {},
		"true":                       {Value: record.OfBool(true)},
		"[3 bytes]":                  {Value: record.OfBytes([]byte("abc"))},
		"1.5":                        {Value: record.OfFloat64(1.5)},
		"12E-1":                      {Value: record.OfDecimal(big.NewInt(12), 1)},
		"7":                          {Value: record.OfBigInt(big.NewInt(7))},
		"5":                          {Value: record.OfInstant(5)},
		"Struct{n=1,s=null}":         {Schema: inner, Value: item},
		"[Struct{n=1,s=null}, null]": {Schema: list, Value: record.OfArray([]record.Value{item, {}})},
		"{a=1, b=[x]}":               {Value: pairs(record.OfString("a"), record.OfInt8(1), record.OfString("b"), record.OfArray([]record.Value{record.OfString("x")}))},
	} {
		var s strings.Builder
		writeDatum(&s, d)
		if s.String() != want {
			t.Errorf("got %s, want %s", s.String(), want)
		}
	}
}

// TestCommitsBeginSoon: a task that is killed before its first interval has passed must still get on.
func TestCommitsBeginSoon(t *testing.T) {
	t.Parallel()
	p := pace{interval: 64 * time.Second}
	var got []time.Duration
	for range 8 {
		got = append(got, p.next()/time.Second)
	}
	if want := []time.Duration{2, 4, 8, 16, 32, 64, 64, 64}; !slices.Equal(got, want) {
		t.Errorf("seconds between commits: got %v, want %v", got, want)
	}
}

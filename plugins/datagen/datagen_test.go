package datagen

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const every = "id:sequence(10),n:int(-5..5),big:long,x:double(1..2),price:decimal(0..100),exact:decimal(-1.000..1.0)," +
	"ok:bool,who:choice(ada| bob),note:text(3..9)?,blob:bytes(4),uid:uuid,day:date,at:timestamp(2026-03-01T00:00:00Z)"

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]plugin.Config{
		"every type":  {"fields": every, "batch.size": "3", "key": "id", "seed": "7"},
		"at a rate":   {"rate": "20000"},
		"with an end": {"rows": "20"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plugintest.Source(t, Descriptor(), plugintest.Env{
				Config: func(testing.TB) plugin.Config {
					c := plugin.Config{"topic": "t"}
					maps.Copy(c, settings)
					return c
				},
				Invalid: []plugin.Config{
					{}, {"topic": "t", "rate": "-1"}, {"topic": "t", "rate": "NaN"}, {"topic": "t", "rows": "-1"}, {"topic": "t", "fields": ""},
					{"topic": "t", "fields": "a"}, {"topic": "t", "fields": "a:what"}, {"topic": "t", "key": "nobody"}, {"topic": "t", "batch.size": "0"},
				},
			})
		})
	}
}

// start starts the tasks of a configuration.
func start(t testing.TB, limit int, settings plugin.Config) []plugin.SourceTask {
	t.Helper()
	s := &source{}
	if err := s.Start(t.Context(), &plugintest.Host{}, settings); err != nil {
		t.Fatal(err)
	}
	configs, err := s.Tasks(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	var tasks []plugin.SourceTask
	for _, c := range configs {
		task := s.NewTask()
		if err := task.Start(t.Context(), &plugintest.Host{}, c, &plugintest.Offsets{}); err != nil {
			t.Fatal(err)
		}
		tasks = append(tasks, task)
	}
	return tasks
}

func poll(t testing.TB, task plugin.SourceTask) *record.Batch {
	t.Helper()
	b := record.NewBatch(record.FromSource, &record.Partitions{})
	if err := task.Poll(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return b
}

// A seed names the same records for ever: a change of these lines is a change that users see.
func TestRowsAreAlwaysTheSame(t *testing.T) {
	t.Parallel()
	b := poll(t, start(t, 1, plugin.Config{"topic": "t", "fields": every, "seed": "1", "rows": "3"})[0])
	var got []string
	for _, r := range b.Records {
		text := string(r.Value.AppendJava(nil))
		got = append(got, text[:strings.Index(text, ",blob")])
	}
	want := []string{
		"Struct{id=10,n=1,big=47655,x=1.853892099243878,price=15.09,exact=-0.623,ok=false,who=bob,note=d lcjwci",
		"Struct{id=11,n=4,big=982333,x=1.365889728609252,price=57.84,exact=-0.390,ok=true,who=ada",
		"Struct{id=12,n=2,big=378273,x=1.1536645208635656,price=68.18,exact=-0.799,ok=true,who=bob,note=eb gxpvjh",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
}

func TestValuesStayInTheirBounds(t *testing.T) {
	t.Parallel()
	b := poll(t, start(t, 1, plugin.Config{"topic": "t", "fields": every, "batch.size": "5000"})[0])
	seen := map[string]map[string]bool{}
	note := func(name, what string) {
		if seen[name] == nil {
			seen[name] = map[string]bool{}
		}
		seen[name][what] = true
	}
	for i, r := range b.Records {
		s, v := r.Value.Schema, r.Value.Value.Elements()
		at := func(name string) record.Value { return v[s.Field(name)] }
		if got := at("id").Int(); got != int64(10+i) {
			t.Fatalf("row %d: id %d", i, got)
		}
		if n := at("n").Int(); n < -5 || n > 5 {
			t.Fatalf("row %d: n %d", i, n)
		}
		note("n", strconv.FormatInt(at("n").Int(), 10))
		if x := at("x").Float(); x < 1 || x >= 2 {
			t.Fatalf("row %d: x %v", i, x)
		}
		if p := at("price").Decimal(); p.Scale != 2 || p.Unscaled.Int64() < 0 || p.Unscaled.Int64() > 10000 {
			t.Fatalf("row %d: price %v", i, p)
		}
		if p := at("exact").Decimal(); p.Scale != 3 || p.Unscaled.Int64() < -1000 || p.Unscaled.Int64() > 1000 {
			t.Fatalf("row %d: exact %v", i, p)
		}
		note("who", at("who").Text())
		note("ok", strconv.FormatBool(at("ok").Bool()))
		if at("note").IsNull() {
			note("note", "null")
		} else if n := len(at("note").Text()); n < 3 || n > 9 {
			t.Fatalf("row %d: note %q", i, at("note").Text())
		} else {
			note("note", strconv.Itoa(n))
		}
		if len(at("blob").Bytes()) != 4 || len(at("uid").Text()) != 36 || at("uid").Text()[14] != '4' {
			t.Fatalf("row %d: blob %x, uid %s", i, at("blob").Bytes(), at("uid").Text())
		}
		if day := time.UnixMilli(at("day").Int()).UTC(); day.Year() != 2026 || at("day").Int()%86_400_000 != 0 {
			t.Fatalf("row %d: day %v", i, day)
		}
		if got, want := at("at").Int(), time.Date(2026, 3, 1, 0, 0, i, 0, time.UTC).UnixMilli(); got != want {
			t.Fatalf("row %d: at %d, want %d", i, got, want)
		}
	}
	for name, n := range map[string]int{"n": 11, "who": 2, "ok": 2, "note": 8} {
		if len(seen[name]) != n {
			t.Errorf("%s: saw %d different values, want %d", name, len(seen[name]), n)
		}
	}
}

func TestTasksShareTheRows(t *testing.T) {
	t.Parallel()
	whole := poll(t, start(t, 1, plugin.Config{"topic": "t", "rows": "10", "key": "name"})[0])
	want := map[string]bool{}
	for _, r := range whole.Records {
		want[string(r.Value.AppendJava(nil))] = true
		if name := r.Value.Value.Elements()[1]; !r.Key.Value.Equal(name) || r.Key.Schema != r.Value.Schema.Fields[1].Schema {
			t.Errorf("key: got %s, want %s", r.Key.AppendJava(nil), name.Text())
		}
	}
	got := map[string]bool{}
	tasks := start(t, 4, plugin.Config{"topic": "t", "rows": "10"})
	for i, task := range tasks {
		for _, r := range poll(t, task).Records {
			row, _ := r.Position.Offset.Get("row")
			if row.Int()%4 != int64(i) {
				t.Errorf("task %d made row %d", i, row.Int())
			}
			got[string(r.Value.AppendJava(nil))] = true
		}
	}
	if d := cmp.Diff(want, got); d != "" || len(tasks) != 4 {
		t.Errorf("rows of %d tasks (-one +four):\n%s", len(tasks), d)
	}
	if n := len(start(t, 8, plugin.Config{"topic": "t", "rows": "3"})); n != 3 {
		t.Errorf("three rows: got %d tasks", n)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate  string
		limit int
		want  int // rows in ten seconds
	}{{"100", 1, 1000}, {"100", 3, 1000}, {"0.5", 1, 5}, {"50000", 1, 500000}} {
		synctest.Test(t, func(t *testing.T) {
			tasks := start(t, c.limit, plugin.Config{"topic": "t", "rate": c.rate, "fields": "id:sequence"})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
			defer cancel()
			counts := make(chan int)
			for _, task := range tasks {
				go func() {
					b, n := record.NewBatch(record.FromSource, &record.Partitions{}), 0
					for ctx.Err() == nil {
						b.Reset()
						if err := task.Poll(ctx, b); err != nil {
							t.Error(err)
						}
						n += len(b.Records)
					}
					counts <- n
				}()
			}
			got := 0
			for range tasks {
				got += <-counts
			}
			if diff := got - c.want; diff > c.want/100+c.limit || -diff > c.want/100+c.limit {
				t.Errorf("rate %s with %d tasks: got %d rows in ten seconds, want %d", c.rate, c.limit, got, c.want)
			}
		})
	}
}

func TestRateDoesNotCatchUpForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		task := start(t, 1, plugin.Config{"topic": "t", "rate": "100"})[0]
		<-time.After(time.Hour) // of the fake clock: a pipeline that was paused
		n := 0
		for start := time.Now(); time.Since(start) < 50*time.Millisecond; {
			n += len(poll(t, task).Records)
		}
		if n < 100 || n > 110 {
			t.Errorf("after a pause of an hour: got %d rows at once, want those of a second", n)
		}
	})
}

func TestDeclarations(t *testing.T) {
	t.Parallel()
	for declared, want := range map[string]string{
		"a":                     "a field is written name:type",
		":int":                  "a field is written name:type",
		"a:nope":                `there is no type "nope"; there are bool, bytes, choice, date, decimal, double, int, long, sequence, text, timestamp, uuid`,
		"a:int(1..2":            "a ) is missing",
		"a:int(2..1)":           "the arguments are low..high, whole numbers from -2147483648 to 2147483647",
		"a:int(0..99999999999)": "the arguments are low..high, whole numbers from -2147483648 to 2147483647",
		"a:double(x..1)":        "the arguments are low..high, two numbers",
		"a:decimal(1..0)":       "the arguments are low..high, two numbers of at most 15 digits",
		"a:choice":              "the arguments are the texts to choose from, as in choice(a|b|c)",
		"a:bool(1)":             "the type takes no arguments, but has (1)",
		"a:timestamp(today)":    "the argument is the time of the first row, as in timestamp(2026-01-01T00:00:00Z)",
		"a:date(x)":             "the arguments are two days, as in date(2026-01-01..2026-12-31)",
		"a:sequence(x)":         "the argument is the number of the first row",
	} {
		_, err := parseField(declared)
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", declared, err, want)
		}
	}
	if _, err := parseShape([]string{"a:int", "a:int"}, 0); err == nil || !strings.Contains(err.Error(), "duplication a") {
		t.Errorf("a field twice: got %v", err)
	}
	if names := strings.Split(kindNames, ", "); len(names) != len(kinds) {
		t.Errorf("%d types are named, there are %d", len(names), len(kinds))
	}
}

func TestAlterOffsets(t *testing.T) {
	t.Parallel()
	with := func(key string, v record.Value) record.Value {
		return record.OfMap([]record.Value{record.OfString(key), v})
	}
	for _, c := range []struct {
		partition, offset record.Value
		ok                bool
	}{
		{with("task", record.OfInt64(0)), with("row", record.OfInt64(5)), true},
		{with("task", record.OfInt64(0)), record.Value{}, true},
		{with("task", record.OfInt64(0)), with("row", record.OfInt64(-1)), false},
		{with("task", record.OfInt64(0)), with("row", record.OfString("1")), false},
		{with("task", record.OfString("x")), with("row", record.OfInt64(5)), false},
		{record.Value{}, with("row", record.OfInt64(5)), false},
	} {
		err := (&source{}).AlterOffsets(t.Context(), nil, []plugin.OffsetChange{{Partition: c.partition, Offset: c.offset}})
		if (err == nil) != c.ok {
			t.Errorf("%s %s: got %v", record.Datum{Value: c.partition}.AppendJava(nil), record.Datum{Value: c.offset}.AppendJava(nil), err)
		}
	}
}

func TestTaskRefusesAForeignOffset(t *testing.T) {
	t.Parallel()
	o := &plugintest.Offsets{}
	o.Set(record.OfMap([]record.Value{record.OfString("task"), record.OfInt64(0)}), record.OfMap([]record.Value{record.OfString("row"), record.OfString("x")}))
	err := (&task{}).Start(t.Context(), &plugintest.Host{}, plugin.Config{"topic": "t"}, o)
	if _, ok := errors.AsType[*plugin.PermanentError](err); !ok {
		t.Errorf("got %v, want a permanent error", err)
	}
}

func TestShareAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ task, tasks, row, want int64 }{
		{0, 1, -1, 0}, {0, 1, 4, 5}, {0, 3, -1, 0}, {2, 3, -1, 2}, {2, 3, 2, 5}, {1, 3, 3, 4}, {1, 3, 4, 7},
	} {
		if got := (share{c.task, c.tasks}).first(c.row); got != c.want {
			t.Errorf("task %d of %d after row %d: got %d, want %d", c.task, c.tasks, c.row, got, c.want)
		}
	}
}

func TestAllocatesNothingPerRow(t *testing.T) {
	fields := strings.ReplaceAll(strings.ReplaceAll(every, "price:decimal(0..100),", ""), "exact:decimal(-1.000..1.0),", "")
	task := start(t, 1, plugin.Config{"topic": "t", "fields": fields})[0]
	b := record.NewBatch(record.FromSource, &record.Partitions{})
	allocs := testing.AllocsPerRun(20, func() {
		b.Reset()
		if err := task.Poll(t.Context(), b); err != nil || len(b.Records) != 1000 {
			t.Fatalf("got %v and %d records", err, len(b.Records))
		}
	})
	if allocs > 5 {
		t.Errorf("got %v allocations for 1000 rows, want at most 5", allocs)
	}
}

func BenchmarkPoll(b *testing.B) {
	task := start(b, 1, plugin.Config{"topic": "t", "fields": "id:sequence,user:choice(a|b|c),n:int,active:bool,ts:timestamp,note:text(40)"})[0]
	batch := record.NewBatch(record.FromSource, &record.Partitions{})
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		if err := task.Poll(b.Context(), batch); err != nil || len(batch.Records) != 1000 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}

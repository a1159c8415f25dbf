package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// reading drives a source task over a file of its own.
type reading struct {
	t       testing.TB
	file    string
	task    *sourceTask
	batch   *record.Batch
	offsets plugintest.Offsets
	log     strings.Builder
}

func newReading(t testing.TB) *reading {
	t.Helper()
	r := &reading{t: t, file: filepath.Join(t.TempDir(), "in.txt"), batch: record.NewBatch(record.FromSource, &record.Partitions{})}
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *reading) partition() record.Value {
	return record.OfMap([]record.Value{record.OfString("filename"), record.OfString(r.file)})
}

func at(n int64) record.Value {
	return record.OfMap([]record.Value{record.OfString("position"), record.OfInt64(n)})
}

func (r *reading) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reading) append(text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reading) start(settings ...string) error {
	c := plugin.Config{"file": r.file, "topic": "t"}
	for i := 0; i < len(settings); i += 2 {
		c[settings[i]] = settings[i+1]
	}
	r.stop()
	r.task = newSourceTask(nil)
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	return r.task.Start(r.t.Context(), &plugintest.Host{Log: log}, c, &r.offsets)
}

func (r *reading) stop() {
	if r.task != nil {
		if err := r.task.Stop(context.Background()); err != nil {
			r.t.Error(err)
		}
	}
}

// poll polls for at most d and returns the lines as "text @position".
func (r *reading) poll(d time.Duration) []string {
	r.t.Helper()
	r.batch.Reset()
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	if err := r.task.Poll(ctx, r.batch); err != nil {
		r.t.Fatalf("poll: %v", err)
	}
	var lines []string
	for _, rec := range r.batch.Records {
		position, _ := rec.Position.Offset.Get("position")
		lines = append(lines, fmt.Sprintf("%s @%d", rec.Value.Value.Text(), position.Int()))
	}
	return lines
}

// expect polls once and compares; no lines means that none come for a while.
func (r *reading) expect(want ...string) {
	r.t.Helper()
	d := time.Minute
	if len(want) == 0 {
		d = 3 * time.Second
	}
	if d := cmp.Diff(want, r.poll(d)); d != "" {
		r.t.Fatalf("lines (-want +got):\n%s", d)
	}
}

// What FileStreamSourceTask 4.3.1 makes of these files, driven directly; positions of the rows marked differ, since Java
// counts UTF-16 units.
func TestSourceCutsLinesAsJava(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"plain":                      {"a\nbb\n\nccc\n", []string{"a @2", "bb @5", " @6", "ccc @10"}},
		"last line without its end":  {"a\nb", []string{"a @2"}},
		"carriage return, line feed": {"a\r\nb\r\n\r\nc\r\n", []string{"a @3", "b @6", " @8", "c @11"}},
		"carriage return alone":      {"a\rb\rc\n\r\rd\r", []string{"a @2", "b @4", "c @6", " @7", " @8"}},
		"byte order mark (Java: @3)": {"\ufeffx\n", []string{"\ufeffx @5"}},
		"multi-byte (Java: @2 @4 @7)": {
			"ä\n€\n😀\n", []string{"ä @3", "€ @7", "😀 @12"},
		},
		"other separators (Java: @10)": {"a\u0085b\u2028c\vd\fe\n", []string{"a\u0085b\u2028c\vd\fe @13"}},
		"zero byte":                    {"a\x00b\nc\n", []string{"a\x00b @4", "c @6"}},
		"broken character":             {"\xe2\x82A\nz\n", []string{"\uFFFDA @4", "z @6"}},
		"surrogate":                    {"\xed\xa0\x80\nz\n", []string{"\uFFFD @4", "z @6"}},
		"overlong":                     {"\xc0\x80\nz\n", []string{"\uFFFD\uFFFD @3", "z @5"}},
		"broken character at the end":  {"a\n\xe2\x82", []string{"a @2"}},
		"long line":                    {strings.Repeat("x", 3_000_000) + "\ny\n", []string{strings.Repeat("x", 3_000_000) + " @3000001", "y @3000003"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newReading(t)
				r.write(c.content)
				if err := r.start(); err != nil {
					t.Fatal(err)
				}
				var got []string
				for {
					lines := r.poll(2 * time.Second)
					if lines == nil {
						break
					}
					got = append(got, lines...)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("lines (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestSourceRecordHasTheShapeOfJava(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	r.write("a\n")
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	before := time.Now().UnixMilli()
	r.expect("a @2")
	rec := r.batch.Records[0]
	if rec.Topic != "t" || rec.Partition != -1 || !rec.Key.Value.IsNull() || rec.Key.Schema != nil || rec.Value.Schema != record.Required(record.String) || rec.Headers != nil {
		t.Errorf("got %+v", rec)
	}
	if rec.Timestamp < before || rec.Timestamp > time.Now().UnixMilli() {
		t.Errorf("timestamp: got %d, want now", rec.Timestamp)
	}
	if got := r.batch.Partitions.At(rec.Position.Partition); !got.Equal(r.partition()) {
		t.Errorf("partition: got %v, want filename", plugintest.PartitionText(got))
	}
}

func TestSourceFollowsAFile(t *testing.T) {
	t.Parallel()
	type step struct {
		do   func(*reading)
		want []string
	}
	appends := func(s string) func(*reading) { return func(r *reading) { r.append(s) } }
	writes := func(s string) func(*reading) { return func(r *reading) { r.write(s) } }
	replaces := func(s string) func(*reading) {
		return func(r *reading) {
			if err := os.Rename(r.file, r.file+".1"); err != nil {
				r.t.Fatal(err)
			}
			r.write(s)
		}
	}
	for name, c := range map[string]struct {
		steps []step
		says  string
	}{
		"lines that grow": {steps: []step{
			{writes("a\nb"), []string{"a @2"}}, {appends("c\n"), []string{"bc @5"}},
			{appends("d\r"), nil}, {appends("\ne\n"), []string{"d @8", "e @10"}},
			{appends("f\r"), nil}, {appends("g\n"), []string{"f @12", "g @14"}},
		}},
		"a character that grows": {steps: []step{
			{writes("a\xe2\x82"), nil}, {appends("\xac\n"), []string{"a€ @5"}}, // Java gives up after the first half
		}},
		"a file that appears": {steps: []step{
			{func(*reading) {}, nil}, {writes("a\n"), []string{"a @2"}},
		}, says: "waiting for it"},
		"a file that was emptied": {steps: []step{ // Java waits until it is longer than before
			{writes("aaaa\nbbbb\n"), []string{"aaaa @5", "bbbb @10"}}, {writes("x\n"), []string{"x @2"}}, {appends("y\n"), []string{"y @4"}},
		}, says: "shorter than the position"},
		"a file that was replaced": {steps: []step{ // Java reads the old one for ever
			{writes("aaaa\nb"), []string{"aaaa @5"}}, {replaces("new\nlines\n"), []string{"new @4", "lines @10"}},
		}, says: "unfinished_bytes=1"},
		"a writer that is told late": {steps: []step{
			{writes("a\n"), []string{"a @2"}},
			{func(r *reading) {
				replaces("new\n")(r)
				old, err := os.OpenFile(r.file+".1", os.O_APPEND|os.O_WRONLY, 0)
				if err == nil {
					_, err = old.WriteString("late\n")
				}
				if err := errors.Join(err, old.Close()); err != nil {
					r.t.Fatal(err)
				}
			}, []string{"late @7"}},
			{func(*reading) {}, []string{"new @4"}},
		}},
		"a file that was removed": {steps: []step{
			{writes("a\n"), []string{"a @2"}},
			{func(r *reading) {
				if err := os.Remove(r.file); err != nil {
					r.t.Fatal(err)
				}
			}, nil},
			{writes("b\n"), []string{"b @2"}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newReading(t)
				if err := r.start(); err != nil {
					t.Fatal(err)
				}
				for _, s := range c.steps {
					s.do(r)
					r.expect(s.want...)
				}
				if !strings.Contains(r.log.String(), c.says) || strings.Count(r.log.String(), "\n") > 1 {
					t.Errorf("log: got %q, want one line with %q", r.log.String(), c.says)
				}
			})
		})
	}
}

func TestSourceDeliversAnAppendedLineSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReading(t)
		r.write("a\n")
		if err := r.start(); err != nil {
			t.Fatal(err)
		}
		r.expect("a @2")
		var appended time.Time
		timer := time.AfterFunc(1234*time.Millisecond, func() {
			appended = time.Now()
			r.append("b\n")
		})
		defer timer.Stop()
		r.expect("b @4")
		if waited := time.Since(appended); waited > 250*time.Millisecond {
			t.Errorf("the line came after %v, want at most 250ms", waited)
		}
	})
}

func TestSourceGoesOnFromTheStoredOffset(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stored record.Value
		want   []string
	}{
		"none":            {record.Value{}, []string{"a @2", "b @4", "c @6"}},
		"of a line":       {at(2), []string{"b @4", "c @6"}},
		"within a line":   {at(1), []string{" @2", "b @4", "c @6"}}, // as Java does
		"of the end":      {at(6), nil},
		"without a value": {record.OfMap(nil), []string{"a @2", "b @4", "c @6"}},
		"negative":        {at(-2), []string{"a @2", "b @4", "c @6"}}, // Java counts on from -2
		"beyond the end":  {at(10), []string{"a @2", "b @4", "c @6"}}, // Java spins at full load and cannot be stopped
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newReading(t)
				r.write("a\nb\nc\n")
				if !c.stored.IsNull() {
					r.offsets.Set(r.partition(), c.stored)
				}
				if err := r.start(); err != nil {
					t.Fatal(err)
				}
				r.expect(c.want...)
			})
		})
	}
}

func TestSourceRefusesAnOffsetThatIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, v := range []record.Value{record.OfString("2"), record.OfFloat64(2), record.OfBool(true)} {
		r := newReading(t)
		r.offsets.Set(r.partition(), record.OfMap([]record.Value{record.OfString("position"), v}))
		err := r.start()
		if _, ok := errors.AsType[*plugin.PermanentError](err); !ok || !strings.Contains(err.Error(), "Offset position is the incorrect type") || !strings.Contains(err.Error(), r.file) {
			t.Errorf("%v: got %v, want a permanent error that names the file", v.Kind(), err)
		}
	}
}

func TestSourceBatchSize(t *testing.T) {
	t.Parallel()
	for size, want := range map[string][]int{ // Java delivers the rest of a read only when the file grows
		"1": {1, 1, 1}, " 2 ": {2, 1}, "0": {1, 1, 1}, "-5": {1, 1, 1}, "2000": {3},
	} {
		r := newReading(t)
		r.write("a\nb\nc\n")
		if err := r.start("batch.size", size); err != nil {
			t.Fatal(err)
		}
		var got []int
		for len(got) < len(want) {
			got = append(got, len(r.poll(time.Minute)))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("batch.size %s: records of polls (-want +got):\n%s", size, d)
		}
	}
}

func TestSourceRefusesBadSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, value, want string }{
		{"batch.size", "x", "Invalid value x for configuration batch.size: Not a number of type INT"},
		{"batch.size", "", "Invalid value  for configuration batch.size: Not a number of type INT"},
		{"topic", " ", "Invalid value  for configuration topic: String must be non-empty"},
	} {
		r := newReading(t)
		err := r.start(c.key, c.value)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s=%q: got %v, want %s", c.key, c.value, err, c.want)
		}
		s := &source{}
		if err := s.Start(t.Context(), &plugintest.Host{}, plugin.Config{"topic": "t", c.key: c.value}); err == nil || err.Error() != c.want {
			t.Errorf("connector, %s=%q: got %v, want %s", c.key, c.value, err, c.want)
		}
	}
	err := (&source{}).Start(t.Context(), &plugintest.Host{}, plugin.Config{"file": "x"})
	if want := `Missing required configuration "topic" which has no default value.`; err == nil || err.Error() != want {
		t.Errorf("without a topic: got %v, want %s", err, want)
	}
}

func TestSourceNamesAFileThatItCannotRead(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	if err := os.Mkdir(r.file, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	err := r.task.Poll(t.Context(), r.batch)
	if err == nil || !strings.Contains(err.Error(), r.file) || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: got %v, want an error that names it", err)
	}

	if os.Getuid() == 0 {
		return // root reads everything
	}
	r = newReading(t)
	r.write("a\n")
	if err := os.Chmod(r.file, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	err = r.task.Poll(t.Context(), r.batch)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), r.file) {
		t.Errorf("a file without permission: got %v, want one that names it", err)
	}
}

func TestSourceRefusesALineWithoutEnd(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("reads 64 MiB")
	}
	r := newReading(t)
	r.write("first\n")
	if err := os.Truncate(r.file, longestLine+100); err != nil { // zero bytes without a line end
		t.Fatal(err)
	}
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	r.expect("first @6")
	err := r.task.Poll(t.Context(), r.batch)
	if _, ok := errors.AsType[*plugin.PermanentError](err); !ok || !strings.Contains(err.Error(), "longer than 64 MiB") {
		t.Errorf("got %v, want a permanent error", err)
	}
}

func TestSourceReadsStandardInput(t *testing.T) {
	t.Parallel()
	for _, settings := range []plugin.Config{{"topic": "t"}, {"topic": "t", "file": ""}} {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := in.Close(); err != nil {
				t.Error(err)
			}
		})
		task := newSourceTask(in)
		if err := task.Start(t.Context(), &plugintest.Host{}, settings, &plugintest.Offsets{}); err != nil {
			t.Fatal(err)
		}
		b := record.NewBatch(record.FromSource, &record.Partitions{})
		read := func(text string, want ...string) {
			t.Helper()
			if _, err := out.WriteString(text); err != nil {
				t.Fatal(err)
			}
			b.Reset()
			if err := task.Poll(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range b.Records {
				got = append(got, r.Value.Value.Text())
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("lines (-want +got):\n%s", d)
			}
		}
		read("one\ntwo\nth", "one", "two")
		read("ree\n", "three")
		position, found := b.Records[0].Position.Offset.Get("position")
		name, _ := b.Partitions.At(b.Records[0].Position.Partition).Get("filename")
		if !found || !position.IsNull() || name.IsNull() != (settings["topic"] == "t" && len(settings) == 1) {
			t.Errorf("%v: got position %v of %v, want null", settings, position, name)
		}

		// The rest has no end of line: nothing comes, as in Java, and a poll ends with its context.
		if _, err := out.WriteString("rest"); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		b.Reset()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := task.Poll(ctx, b); err != nil || len(b.Records) != 0 {
			t.Errorf("after the end: got %v and %d records, want nothing", err, len(b.Records))
		}
		cancel()
		if err := task.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := in.Stat(); err != nil {
			t.Errorf("stop closed standard input: %v", err)
		}
	}
}

// Java's answers to the same changes.
func TestAlterOffsets(t *testing.T) {
	t.Parallel()
	with := func(key string, v record.Value) record.Value {
		return record.OfMap([]record.Value{record.OfString(key), v})
	}
	here, null := with("filename", record.OfString("x")), record.Value{}
	config := plugin.Config{"file": "x", "topic": "t"}
	for _, c := range []struct {
		name              string
		config            plugin.Config
		partition, offset record.Value
		want              string
	}{
		{"accepted", config, here, at(1), ""},
		{"another file", config, with("filename", record.OfString("y")), at(1), ""},
		{"null filename", config, with("filename", null), at(1), ""},
		{"reset of rubbish", config, with("f", null), null, ""},
		{"reset of null", config, null, null, ""},
		{"no filename", config, with("f", null), at(1), "Partition objects should contain the key 'filename'"},
		{"null partition", config, null, at(1), "Partition objects cannot be null"},
		{"no position", config, here, with("p", record.OfInt64(1)), "Offset objects should either be null or contain the key 'position'"},
		{"null position", config, here, with("position", null), "The value for the 'position' key in the offset is expected to be a Long value"},
		{"text", config, here, with("position", record.OfString("1")), "The value for the 'position' key in the offset is expected to be a Long value"},
		{"fraction", config, here, with("position", record.OfFloat64(1)), "The value for the 'position' key in the offset is expected to be a Long value"},
		{"negative", config, with("f", null), at(-1), "The value for the 'position' key in the offset should be a non-negative value"},
		{"standard input", plugin.Config{"topic": "t", "file": " "}, here, at(1), "Offsets cannot be modified if the 'file' configuration is unspecified. This is because stdin is used for input and offsets are not tracked."},
		{"no topic", plugin.Config{"file": "x"}, here, at(1), `Missing required configuration "topic" which has no default value.`},
	} {
		err := (&source{}).AlterOffsets(t.Context(), c.config, []plugin.OffsetChange{{Partition: here, Offset: at(3)}, {Partition: c.partition, Offset: c.offset}})
		if got := fmt.Sprint(err); err == nil && c.want != "" || err != nil && got != c.want {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestExactlyOnceNeedsAFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config plugin.Config
		want   bool
	}{
		{plugin.Config{"file": "x", "topic": "t"}, true},
		{plugin.Config{"topic": "t"}, false},
		{plugin.Config{"file": " ", "topic": "t"}, false},
		{plugin.Config{"file": "x"}, false}, // Java throws
	} {
		if got := (&source{}).SupportsExactlyOnce(c.config); got != c.want {
			t.Errorf("%v: got %v, want %v", c.config, got, c.want)
		}
	}
}

// Whatever the content and however it is cut into writes, polls and restarts, the lines are those of the whole.
func TestSourceLosesNothingProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		chunks := rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("ab\r\nä😀\n")), 0, 12, -1), 1, 8).Draw(rt, "chunks")
		batch := rapid.IntRange(1, 4).Draw(rt, "batch")
		whole := strings.Join(chunks, "")
		var want []string
		for c := cut([]byte(whole)); ; {
			line, ok := c.next()
			if !ok {
				break
			}
			want = append(want, string(line))
		}
		r := newReading(t)
		r.write("")
		in := func() []string { // one look at the file, as a poll takes it
			r.batch.Reset()
			if _, err := r.task.look(r.batch); err != nil {
				rt.Fatal(err)
			}
			var lines []string
			for _, rec := range r.batch.Records {
				lines = append(lines, strings.Clone(rec.Value.Value.Text()))
			}
			r.offsets.Store(r.batch, len(r.batch.Records))
			return lines
		}
		var got []string
		for i, c := range chunks {
			if i == 0 || rapid.Bool().Draw(rt, "restart") {
				if err := r.start("batch.size", fmt.Sprint(batch)); err != nil {
					rt.Fatal(err)
				}
			}
			r.append(c)
			got = append(got, in()...)
		}
		for range len(want) + 1 {
			got = append(got, in()...)
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatalf("lines (-want +got):\n%s", d)
		}
	})
}

func TestCutterProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab\r\n"))).Draw(t, "text")
		var want []string
		for rest := text; ; {
			i := strings.IndexAny(rest, "\r\n")
			if i < 0 || rest[i:] == "\r" {
				break
			}
			want = append(want, rest[:i])
			if rest = rest[i:]; strings.HasPrefix(rest, "\r\n") {
				rest = rest[1:]
			}
			rest = rest[1:]
		}
		var got []string
		for c := cut([]byte(text)); ; {
			line, ok := c.next()
			if !ok {
				break
			}
			got = append(got, string(line))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%q (-want +got):\n%s", text, d)
		}
	})
}

func TestSourceAllocatesNothingPerLine(t *testing.T) {
	r := newReading(t)
	r.write(strings.Repeat("a line of a usual length, say this one\n", 2000))
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	in := r.task.in.(*follower)
	allocs := testing.AllocsPerRun(20, func() {
		r.batch.Reset()
		in.at = 0
		if err := r.task.Poll(t.Context(), r.batch); err != nil || len(r.batch.Records) != 2000 {
			t.Fatalf("got %v and %d records", err, len(r.batch.Records))
		}
	})
	if allocs > 5 {
		t.Errorf("got %v allocations for a poll of 2000 lines, want at most 5", allocs)
	}
}

func BenchmarkSource(b *testing.B) {
	const line = "127.0.0.1 - - [01/Jan/2026:00:00:00 +0000] \"GET /index.html HTTP/1.1\" 200 1234\n"
	r := newReading(b)
	r.write(strings.Repeat(line, 200_000))
	if err := r.start(); err != nil {
		b.Fatal(err)
	}
	in := r.task.in.(*follower)
	b.SetBytes(int64(len(line)) * 2000)
	b.ReportAllocs()
	for b.Loop() {
		r.batch.Reset()
		if in.at == int64(len(line))*200_000 {
			in.at = 0
		}
		if err := r.task.Poll(b.Context(), r.batch); err != nil || len(r.batch.Records) != 2000 {
			b.Fatalf("got %v and %d records", err, len(r.batch.Records))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/record")
}

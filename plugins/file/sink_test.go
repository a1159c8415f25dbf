package file

import (
	"bytes"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
)

// writing drives a sink task over a file of its own.
type writing struct {
	t    testing.TB
	file string
	task *sinkTask
}

func newWriting(t testing.TB, before string) *writing {
	t.Helper()
	w := &writing{t: t, file: filepath.Join(t.TempDir(), "out.txt")}
	if before != "" {
		if err := os.WriteFile(w.file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.task = w.open()
	return w
}

// open starts a further task on the same file.
func (w *writing) open() *sinkTask {
	w.t.Helper()
	task := newSinkTask(nil)
	if err := task.Start(w.t.Context(), &plugintest.Host{}, plugin.Config{"file": w.file}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := task.Stop(w.t.Context()); err != nil {
			w.t.Error(err)
		}
	})
	return task
}

func (w *writing) content() string {
	w.t.Helper()
	b, err := os.ReadFile(w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func texts(values ...string) *record.Batch {
	b := record.NewBatch(record.ToSink, &record.Partitions{})
	for _, v := range values {
		b.Append().Value = record.Datum{Schema: record.Required(record.String), Value: record.OfString(v)}
	}
	return b
}

func putTexts(t testing.TB, task *sinkTask, values ...string) error {
	t.Helper()
	return task.Put(t.Context(), texts(values...))
}

// What FileStreamSinkTask 4.3.1 wrote for the same values.
func TestSinkPrintsValuesAsJava(t *testing.T) {
	t.Parallel()
	s := record.Build(record.Struct).Field("a", record.Required(record.Int32)).Field("b", record.OptionalOf(record.String)).MustBuild()
	row := func(b record.Value) record.Value { return record.OfStruct([]record.Value{record.OfInt32(1), b}) }
	b := record.NewBatch(record.ToSink, &record.Partitions{})
	for _, d := range []record.Datum{
		{Value: record.OfString("str")}, {}, {Value: record.OfString("a\nb")}, {Value: record.OfString("")},
		{Value: record.OfInt32(5)}, {Value: record.OfFloat64(1)}, {Value: record.OfFloat32(1)}, {Value: record.OfFloat64(1e10)},
		{Value: record.OfFloat32(1e-5)}, {Value: record.OfBool(true)},
		{Value: record.OfMap([]record.Value{record.OfString("a"), record.OfInt32(1), record.OfString("b"), {}, record.OfString("c"), record.OfArray([]record.Value{record.OfInt32(1), record.OfString("x")})})},
		{Value: record.OfArray([]record.Value{record.OfInt32(1), record.OfString("a")})},
		{Schema: s, Value: row(record.OfString("x"))}, {Schema: s, Value: row(record.Value{})},
		{Value: record.OfInstant(0)}, {Value: record.OfDecimal(big.NewInt(150), 2)}, {Value: record.OfInt8(-1)}, {Value: record.OfString("ä😀")},
	} {
		b.Append().Value = d
	}
	w := newWriting(t, "")
	if err := w.task.Put(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := "str\nnull\na\nb\n\n5\n1.0\n1.0\n1.0E10\n1.0E-5\ntrue\n{a=1, b=null, c=[1, x]}\n[1, a]\nStruct{a=1,b=x}\nStruct{a=1}\n" +
		"Thu Jan 01 00:00:00 UTC 1970\n1.50\n-1\nä😀\n"
	if d := cmp.Diff(want, w.content()); d != "" {
		t.Errorf("file (-want +got):\n%s", d)
	}
}

func TestSinkAppends(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, want string }{
		"a file that is not there":       {"", "a\nb\n"},
		"a file with lines":              {"old\n", "old\na\nb\n"},
		"a file that ends within a line": {"ol", "ol\na\nb\n"}, // Java: "ola\nb\n"
	} {
		w := newWriting(t, c.before)
		if err := putTexts(t, w.task); err != nil { // an empty batch writes nothing
			t.Fatal(err)
		}
		if err := errors.Join(putTexts(t, w.task, "a"), putTexts(t, w.task, "b"), w.task.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
		if got := w.content(); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestSinkPassesOverWhatIsNotLive(t *testing.T) {
	t.Parallel()
	w := newWriting(t, "")
	b := texts("a", "dropped", "failed", "hidden", "b")
	b.Drop(1)
	b.Fail(2, errors.New("bad"))
	b.Hide(3)
	if err := w.task.Put(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got, want := w.content(), "a\nb\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// limited is a file on a disk that gets full: it takes room bytes more.
type limited struct {
	output
	room   int
	synced error
}

func (l *limited) Write(b []byte) (int, error) {
	n, err := l.output.Write(b[:min(l.room, len(b))])
	l.room -= n
	if err == nil && n < len(b) {
		err = &os.PathError{Op: "write", Path: "out.txt", Err: syscall.ENOSPC}
	}
	return n, err
}

func (l *limited) Sync() error { return errors.Join(l.output.Sync(), l.synced) }

func TestSinkTakesBackABatchThatDoesNotFit(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", block)
	for name, c := range map[string]struct {
		room   int
		values []string
	}{
		"nothing fits":      {0, []string{"bbbb", "cccc"}},
		"half a line fits":  {2, []string{"bbbb", "cccc"}},
		"a line fits":       {5, []string{"bbbb", "cccc"}},
		"line and a half":   {7, []string{"bbbb", "cccc"}},
		"half of big lines": {2*block + 9, []string{big, big, big}},
	} {
		w := newWriting(t, "half")
		if err := putTexts(t, w.task, "aaaa"); err != nil {
			t.Fatal(err)
		}
		before := w.content()
		disk := &limited{output: w.task.out, room: c.room}
		w.task.out = disk
		err := putTexts(t, w.task, c.values...)
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), w.file) {
			t.Errorf("%s: got %v, want a full disk, with the name of the file", name, err)
		}
		if got := w.content(); got != before {
			t.Errorf("%s: the file has %q after the lines that were complete", name, strings.TrimPrefix(got, before)[:5])
		}
		disk.room = 1 << 30
		if err := putTexts(t, w.task, c.values...); err != nil {
			t.Fatal(err)
		}
		if got, want := w.content(), before+strings.Join(c.values, "\n")+"\n"; got != want {
			t.Errorf("%s: after another try: got %d bytes, want %d", name, len(got), len(want))
		}
	}
}

func TestSinkCutsOffNothingOfAnother(t *testing.T) {
	t.Parallel()
	w := newWriting(t, "")
	other := w.open()
	if err := errors.Join(putTexts(t, w.task, "a"), putTexts(t, other, "o")); err != nil {
		t.Fatal(err)
	}
	disk := &limited{output: w.task.out, room: 2}
	w.task.out = disk
	if err := putTexts(t, w.task, "bbbb"); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v, want a full disk", err)
	}
	disk.room = 1 << 30
	if err := putTexts(t, w.task, "bbbb"); err != nil {
		t.Fatal(err)
	}
	if got, want := w.content(), "a\no\nbb\nbbbb\n"; got != want {
		t.Errorf("with another task: got %q, want %q", got, want)
	}

	// Once the other has closed the file, it belongs to this task alone.
	if err := other.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	disk.room = 2
	if err := putTexts(t, w.task, "cccc"); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v, want a full disk", err)
	}
	if got, want := w.content(), "a\no\nbb\nbbbb\n"; got != want {
		t.Errorf("alone: got %q, want %q", got, want)
	}
}

func TestSinkFlush(t *testing.T) {
	t.Parallel()
	w := newWriting(t, "")
	disk := &limited{output: w.task.out, room: 1 << 30, synced: syscall.EIO}
	w.task.out = disk
	if err := w.task.Flush(t.Context()); err != nil {
		t.Errorf("with nothing to make durable: %v", err)
	}
	if err := putTexts(t, w.task, "a"); err != nil {
		t.Fatal(err)
	}
	if err := w.task.Flush(t.Context()); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), w.file) {
		t.Errorf("got %v, want an input/output error that names the file", err)
	}
	disk.synced = nil
	if err := w.task.Flush(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("after a failed flush: got %v, want the same error, as the system tells it once", err)
	}
}

func TestSinkNamesAFileThatItCannotOpen(t *testing.T) {
	t.Parallel()
	for _, file := range []string{t.TempDir(), filepath.Join(t.TempDir(), "no", "out.txt")} {
		err := newSinkTask(nil).Start(t.Context(), &plugintest.Host{}, plugin.Config{"file": file})
		if _, ok := errors.AsType[*os.PathError](err); !ok || !strings.Contains(err.Error(), file) {
			t.Errorf("got %v, want an error that names %s", err, file)
		}
	}
}

func TestSinkOnADeviceThatIsFull(t *testing.T) {
	t.Parallel()
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("no " + full)
	}
	task := newSinkTask(nil)
	if err := task.Start(t.Context(), &plugintest.Host{}, plugin.Config{"file": full}); err != nil {
		t.Fatal(err)
	}
	if err := putTexts(t, task, "a"); !errors.Is(err, syscall.ENOSPC) { // Java says nothing and goes on
		t.Errorf("got %v, want a full disk", err)
	}
	if err := errors.Join(task.Flush(t.Context()), task.Stop(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestSinkWritesStandardOutput(t *testing.T) {
	t.Parallel()
	for _, c := range []plugin.Config{{}, {"file": ""}, {"file": " "}} {
		var out bytes.Buffer
		task := newSinkTask(&out)
		if err := task.Start(t.Context(), &plugintest.Host{}, c); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(putTexts(t, task, "a", "b"), task.Flush(t.Context()), task.Stop(t.Context())); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), "a\nb\n"; got != want {
			t.Errorf("%v: got %q, want %q", c, got, want)
		}
	}
}

// Batches that come again after a full disk stand in the file once each, whatever fits when.
func TestSinkWritesEachBatchOnceProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		batches := rapid.SliceOfN(rapid.SliceOfN(rapid.StringMatching(`[a-c]{0,5}`), 0, 4), 1, 6).Draw(rt, "batches")
		w := newWriting(t, rapid.SampledFrom([]string{"", "x", "x\n"}).Draw(rt, "before"))
		want := w.content()
		disk := &limited{output: w.task.out}
		w.task.out = disk
		for _, b := range batches {
			for {
				disk.room = rapid.IntRange(0, 32).Draw(rt, "room") // a batch takes at most 25
				err := putTexts(t, w.task, b...)
				if err == nil {
					break
				}
				if !errors.Is(err, syscall.ENOSPC) {
					rt.Fatal(err)
				}
			}
			for _, v := range b {
				if want != "" && !strings.HasSuffix(want, "\n") {
					want += "\n"
				}
				want += v + "\n"
			}
		}
		if d := cmp.Diff(want, w.content()); d != "" {
			rt.Fatalf("file (-want +got):\n%s", d)
		}
	})
}

func BenchmarkSink(b *testing.B) {
	w := newWriting(b, "")
	batch := record.NewBatch(record.ToSink, &record.Partitions{})
	for range 2000 {
		batch.Append().Value.Value = record.OfString(strings.Repeat("x", 80))
	}
	b.SetBytes(81 * 2000)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.task.Put(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if err := os.Truncate(w.file, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/record")
}

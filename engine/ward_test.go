package engine_test

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/plugin/plugintest"
	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins"
	"github.com/penstock/penstock/store"
)

const (
	// tick is how often a source of a ward makes a record.
	tick = 100 * time.Millisecond
	// noticed is the gap between two records that counts as a disturbance of a neighbour.
	noticed = 4 * tick
	// large is the size of the records of a flood.
	large = 64 << 10
)

// ward is a worker in a bubble of virtual time, on a fake Kafka of two brokers. Two lines run in it, of a source, a topic
// and a sink each: ill is what a fault concerns, well is its neighbour. The first broker has all that is well, the second
// one all that is ill.
type ward struct {
	*running
	kafka     *kafkatest.Cluster
	net       *network
	store     *fragileStore
	said      *logs
	ill, well *line
	declared  []*config.Declared
	release   chan struct{} // closed at the end: calls that hang return
}

// admit starts a ward whose ill pipelines have some more properties, and waits until both lines move.
func admit(t *testing.T, f *fault) *ward {
	t.Helper()
	w := &ward{release: make(chan struct{}), net: &network{}, said: &logs{}, ill: newLine("ill"), well: newLine("well")}
	w.ill.precommits = f.precommits
	w.kafka = kafkatest.StartVirtual(t, 2, "ill", "well")
	for n, l := range []*line{w.well, w.ill} {
		if err := w.kafka.Fake().MoveTopicPartition(l.name, 0, int32(n)); err != nil {
			t.Fatal(err)
		}
		for w.kafka.Fake().CoordinatorFor("connect-"+l.out) != int32(n) {
			l.out += "x"
		}
	}
	w.net.dial = w.kafka.Clients().Dial
	w.store = &fragileStore{Store: memoryStore(t)}
	t.Cleanup(func() { // once the worker has ended, and before its Kafka ends
		close(w.release)
		rest(time.Minute)
	})
	var properties []string
	if f.attempts == 0 {
		properties = append(properties, "errors.restart.policy=never")
	}
	w.declared = slices.Concat(w.well.declare(nil), w.ill.declare(append(properties, f.properties...)))
	registry, err := plugin.NewRegistry(slices.Concat(plugins.All(), w.ill.plugins(), w.well.plugins()))
	if err != nil {
		t.Fatal(err)
	}
	w.running = runWith(t, engine.Settings{Registry: registry, Store: w.store, Logger: slog.New(slog.NewTextHandler(w.said, nil))},
		w.kafka.Servers(), w.net.DialContext, w.declared...)
	w.await("both lines to move", func(engine.View) bool { return w.ill.last() > 2 && w.well.last() > 2 })
	return w
}

// line is a source that counts, a topic, and a sink that keeps the numbers with the time at which they came.
type line struct {
	name       string
	out        string // the sink's name
	trouble    trouble
	precommits bool // the sink says itself what may be committed

	mu    sync.Mutex
	taken []taken
	hosts []plugin.Host // of each start of a source's task
	flood bool          // the source does not wait, and makes large records
}

type taken struct {
	n  int
	at time.Time
}

func newLine(name string) *line { return &line{name: name, out: name + "-out"} }

func (l *line) in() string { return l.name + "-in" }

func (l *line) declare(properties []string) []*config.Declared {
	properties = append(properties, "key.converter=org.apache.kafka.connect.storage.StringConverter", "value.converter=test."+l.name+"Converter")
	return []*config.Declared{
		declared(slices.Concat([]string{"name=" + l.in(), "connector.class=test." + l.name + "Source", "transforms=t", "transforms.t.type=test." + l.name}, properties)...),
		declared(slices.Concat([]string{"name=" + l.out, "connector.class=test." + l.name + "Sink", "topics=" + l.name}, properties)...),
	}
}

func (l *line) plugins() []plugin.Descriptor {
	return []plugin.Descriptor{
		{Name: l.name + "_in", Class: "test." + l.name + "Source", Version: "1", NewSource: func() plugin.Source {
			_ = l.trouble.at("source.make") // it has no error
			return &counter{line: l}
		}},
		{Name: l.name + "_out", Class: "test." + l.name + "Sink", Version: "1", NewSink: func() plugin.Sink {
			_ = l.trouble.at("sink.make") // it has no error
			return &ledger{line: l}
		}},
		{Name: l.name + "_converter", Class: "test." + l.name + "Converter", Version: "1", NewConverter: func() plugin.Converter { return &number{line: l} }},
		{Name: l.name + "_transform", Class: "test." + l.name, Version: "1", NewTransform: func(plugin.Target) plugin.Transform { return &pass{line: l} }},
	}
}

// last is the newest number that the sink has taken; -1: none.
func (l *line) last() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.taken) == 0 {
		return -1
	}
	return l.taken[len(l.taken)-1].n
}

func (l *line) all() []taken {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.taken)
}

// set begins or ends a flood.
func (l *line) set(flood bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flood = flood
}

// complete demands every number up to the newest, in order; after a failure a sink may get some of them again, from the
// offset that was stored last (invariants 1, 2, 3 and 7).
func (l *line) complete(t *testing.T, again bool) {
	t.Helper()
	next := 0
	for i, x := range l.all() {
		switch {
		case x.n == next:
			next++
		case x.n > next:
			t.Errorf("%s: number %d is not there; the %dth is %d", l.name, next, i, x.n)
			return
		case !again:
			t.Errorf("%s: number %d came twice", l.name, x.n)
			return
		default:
			next = x.n + 1
		}
	}
}

// gap is the longest time without a record between two moments.
func (l *line) gap(from, to time.Time) time.Duration {
	longest, before := time.Duration(0), from
	for _, x := range l.all() {
		if x.at.After(from) && x.at.Before(to) {
			longest = max(longest, x.at.Sub(before))
			before = x.at
		}
	}
	return max(longest, to.Sub(before))
}

// trouble is what calls into the plugins of a line do in place of their work. Its zero value does nothing.
type trouble struct {
	mu   sync.Mutex
	call string
	do   func() error
	hits int
}

// set makes calls of a name do something, until the next set; none: "".
func (x *trouble) set(call string, do func() error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.call, x.do, x.hits = call, do, 0
}

// at is at the top of every call.
func (x *trouble) at(call string) error {
	x.mu.Lock()
	do := x.do
	if x.call != call || do == nil {
		x.mu.Unlock()
		return nil
	}
	x.hits++
	x.mu.Unlock()
	return do()
}

func (x *trouble) came() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.hits > 0
}

// counter is a source that makes the next number at each tick, and its only task.
type counter struct {
	*line
	next int64
}

func (c *counter) Start(context.Context, plugin.Host, plugin.Config) error {
	return c.trouble.at("source.start")
}

func (c *counter) Tasks(context.Context, int) ([]plugin.Config, error) {
	return []plugin.Config{{}}, c.trouble.at("source.tasks")
}

func (c *counter) NewTask() plugin.SourceTask {
	_ = c.trouble.at("source.new") // it has no error
	return &counterTask{counter: *c}
}

func (c *counter) Stop(context.Context) error     { return c.trouble.at("source.stop") }
func (c *counter) Validate(plugin.Config) []error { return []error{c.trouble.at("source.validate")} }

type counterTask struct{ counter }

func (c *counterTask) Start(ctx context.Context, h plugin.Host, _ plugin.Config, o plugin.Offsets) error {
	c.mu.Lock()
	c.hosts = append(c.hosts, h)
	c.mu.Unlock()
	at, err := o.Read(ctx, plugintest.Partition("p"))
	if err != nil {
		return err
	}
	if !at[0].IsNull() {
		stored, _ := at[0].Get("n")
		c.next = stored.Int() + 1
	}
	return c.trouble.at("source task.start")
}

func (c *counterTask) Poll(ctx context.Context, b *record.Batch) error {
	if err := c.trouble.at("source task.poll"); err != nil {
		return err
	}
	row := plugintest.Row{Partition: "p", Offset: c.next, Topic: c.name, Value: strconv.FormatInt(c.next, 10)}
	c.mu.Lock()
	flood := c.flood
	c.mu.Unlock()
	if flood {
		row.Key = strings.Repeat("x", large)
	} else {
		select {
		case <-time.After(tick):
		case <-ctx.Done():
			return nil
		}
	}
	row.Append(b)
	c.next++
	return nil
}

func (c *counterTask) Committed(context.Context, []record.Position) error {
	return c.trouble.at("source task.committed")
}

func (c *counterTask) Stop(context.Context) error { return c.trouble.at("source task.stop") }

// ledger is a sink that keeps numbers, and its only task.
type ledger struct{ *line }

func (l *ledger) Start(context.Context, plugin.Host, plugin.Config) error {
	return l.trouble.at("sink.start")
}

func (l *ledger) Tasks(context.Context, int) ([]plugin.Config, error) {
	return []plugin.Config{{}}, l.trouble.at("sink.tasks")
}

func (l *ledger) NewTask() plugin.SinkTask {
	_ = l.trouble.at("sink.new") // it has no error
	if l.precommits {
		return &carefulTask{ledgerTask{l.line}}
	}
	return &ledgerTask{l.line}
}

func (l *ledger) Stop(context.Context) error     { return l.trouble.at("sink.stop") }
func (l *ledger) Validate(plugin.Config) []error { return []error{l.trouble.at("sink.validate")} }

type ledgerTask struct{ *line }

func (l *ledgerTask) Start(context.Context, plugin.SinkHost, plugin.Config) error {
	return l.trouble.at("sink task.start")
}

func (l *ledgerTask) Put(_ context.Context, b *record.Batch) error {
	if len(b.Records) == 0 {
		return nil
	}
	if err := l.trouble.at("sink task.put"); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b.Each(func(_ int, r *record.Record) error {
		n, err := strconv.Atoi(r.Value.Value.Text())
		l.taken = append(l.taken, taken{n, time.Now()})
		return err
	})
	return nil
}

func (l *ledgerTask) Open(context.Context, []plugin.TopicPartition) error {
	return l.trouble.at("sink task.open")
}

func (l *ledgerTask) Close(context.Context, []plugin.TopicPartition) error {
	return l.trouble.at("sink task.close")
}

func (l *ledgerTask) Flush(context.Context) error { return l.trouble.at("sink task.flush") }
func (l *ledgerTask) Stop(context.Context) error  { return l.trouble.at("sink task.stop") }

type carefulTask struct{ ledgerTask }

func (l *carefulTask) PreCommit(_ context.Context, at map[plugin.TopicPartition]int64) (map[plugin.TopicPartition]int64, error) {
	return at, l.trouble.at("sink task.precommit")
}

// number is a converter of texts.
type number struct{ *line }

func (n *number) Configure(plugin.Config, plugin.Use) error {
	return n.trouble.at("converter.configure")
}

func (n *number) AppendData(dst []byte, _ string, d record.Datum) ([]byte, error) {
	return append(dst, d.Value.Text()...), n.trouble.at("converter.append")
}

func (n *number) ReadData(_ *record.Arena, _ string, src []byte) (record.Datum, error) {
	return record.Datum{Schema: record.OptionalOf(record.String), Value: record.OfText(src)}, n.trouble.at("converter.read")
}

// pass is a transform that changes nothing.
type pass struct{ *line }

func (p *pass) Configure(plugin.Config) error { return p.trouble.at("transform.configure") }

func (p *pass) Apply(context.Context, *record.Batch) error { return p.trouble.at("transform.apply") }

// fragileStore is a store that may refuse offsets.
type fragileStore struct {
	store.Store
	mu  sync.Mutex
	err error
}

func (s *fragileStore) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *fragileStore) Offsets() store.Offsets { return fragileOffsets{s.Store.Offsets(), s} }

type fragileOffsets struct {
	store.Offsets
	s *fragileStore
}

func (o fragileOffsets) Commit(ctx context.Context, instance string, entries []store.Offset) error {
	o.s.mu.Lock()
	err := o.s.err
	o.s.mu.Unlock()
	if err != nil && strings.HasPrefix(instance, "ill") {
		return err
	}
	return o.Offsets.Commit(ctx, instance, entries)
}

// network is the way to the brokers, which can be cut for some of them.
type network struct {
	dial func(ctx context.Context, network, host string) (net.Conn, error)

	mu    sync.Mutex
	cut   string // is in the addresses that cannot be reached; "": none
	mute  bool   // they do not even refuse
	conns map[*link]struct{}
}

// link is a connection to a broker.
type link struct {
	net.Conn
	net  *network
	host string
}

// refuses is the error of an address at which nobody listens.
func refuses(host string) error {
	addr, err := net.ResolveTCPAddr("tcp", strings.Replace(host, "localhost", "127.0.0.1", 1))
	return &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: cmp.Or(err, error(syscall.ECONNREFUSED))}
}

func (n *network) DialContext(ctx context.Context, network, host string) (net.Conn, error) {
	n.mu.Lock()
	dark, mute := n.dark(host), n.mute
	n.mu.Unlock()
	switch {
	case dark && mute:
		<-ctx.Done()
		return nil, ctx.Err()
	case dark:
		return nil, refuses(host)
	}
	c, err := n.dial(ctx, network, host)
	if err != nil {
		return nil, err
	}
	l := &link{c, n, host}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns == nil {
		n.conns = map[*link]struct{}{}
	}
	n.conns[l] = struct{}{}
	return l, nil
}

// dark reports whether an address cannot be reached; the lock is held.
func (n *network) dark(host string) bool { return n.cut != "" && strings.Contains(host, n.cut) }

// sever cuts the way to addresses with a text in them. Connections break, or, muted, nothing comes through any more.
func (n *network) sever(text string, mute bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut, n.mute = text, mute
	if !mute {
		n.breakLinks(text)
	}
}

// mend takes sever back. What was sent meanwhile is lost, and so are the connections that it was sent on.
func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.breakLinks(n.cut)
	n.cut = ""
}

func (n *network) breakLinks(text string) {
	for l := range n.conns {
		if strings.Contains(l.host, text) {
			_ = l.Conn.Close() // whoever uses it sees that
			delete(n.conns, l)
		}
	}
}

func (l *link) Write(p []byte) (int, error) {
	l.net.mu.Lock()
	dark := l.net.dark(l.host)
	l.net.mu.Unlock()
	if dark {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

func (l *link) Close() error {
	l.net.mu.Lock()
	delete(l.net.conns, l)
	l.net.mu.Unlock()
	return l.Conn.Close()
}

// rest lets virtual time pass.
func rest(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// logs keeps what a worker logs.
type logs struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// troubleWait is the wait after a fetch error that may come again at once.
const troubleWait = time.Second

// sink is the body of a sink task: one goroutine polls, decodes, puts and commits, so that records of a topic partition
// reach the sink in their order (invariant 3).
type sink struct {
	t       *Task
	guard   Guard
	plugin  plugin.SinkTask
	batch   *record.Batch
	chain   *chain
	decoder *decoder

	client *consumer
	queue  *deadLetters // nil: none
	asks   *sinkHost
	group  *group
	polls  kafka.Poll
	quit   func() error // leaves the group and closes the client, once
	ended  chan struct{}
	joined sync.WaitGroup

	messages []*kgo.Record // parallel to batch.Records, cut ones included
	touched  []*part       // of the batch in hand
	oldest   int64         // timestamp of the oldest record in hand, as far as each fetch's first tells; 0: none
	newest   int64         // timestamp of the newest, as far as each fetch's last tells
	skipped  []fault       // of the batch in hand, tolerated before its first put
	again    bool          // the batch in hand was put and comes again
	tries    int           // of it
	retryAt  time.Time
	paused   bool
	pace     pace
	commitAt time.Time
	lookAt   time.Time // next look at the topics
	endsAt   time.Time // next look at the partitions' ends
}

func newSink(t *Task) (*sink, error) {
	g := t.guard()
	stages, err := newStages(g, t.Instance.Task.Chain)
	if err != nil {
		return nil, err
	}
	cs, err := newConverters(g, &t.Instance.Task)
	if err != nil {
		return nil, err
	}
	s := &sink{t: t, guard: g, ended: make(chan struct{})}
	s.batch = record.NewBatch(record.ToSink, &record.Partitions{})
	s.chain = &chain{stages: stages, policy: t.policy(), guard: g}
	s.chain.tolerated = func(_ context.Context, f fault) { s.skipped = append(s.skipped, f) }
	s.decoder = &decoder{converters: cs, chain: s.chain}
	s.group = newGroup(s)
	if err := g.Call("NewTask", func() error { s.plugin = t.Instance.Plugin.NewSink().NewTask(); return nil }); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *sink) open(l *lives) error {
	t, task := s.t, &s.t.Instance.Task
	t.Meter.sink.Store(true)
	s.chain.policy.halt = l.life.Done()
	s.asks = newSinkHost(t, l)
	var err error
	if s.polls, err = t.Clients.Poll(task.Consumer); err != nil {
		return fmt.Errorf("make the consumer: %w", err)
	}
	if s.queue, err = newDeadLetters(t, l); err != nil {
		return err
	}
	topics := kgo.ConsumeTopics(task.Topics...)
	opts := append(s.group.options(l), topics, kgo.WithPools(&messagePool{}), kgo.WithHooks(reach{t.machine.note}))
	if task.TopicsRegex != "" {
		pattern, err := plugin.ParsePattern(task.TopicsRegex)
		if err != nil {
			return plugin.Permanent(plugin.Invalid("topics.regex", task.TopicsRegex, "Invalid regex: "+err.Error()))
		}
		opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(`\A(?:`+pattern.String()+`)\z`))
	}
	if !t.holds() {
		return ErrLease
	}
	if err := s.chain.start(l.life, s.asks); err != nil {
		return err
	}
	if err := s.guard.Call("Start", func() error { return s.plugin.Start(l.life, s.asks, t.Config) }); err != nil {
		return fmt.Errorf("start the task: %w", err)
	}
	// The client joins the group as soon as it is made, so the plugin is ready before.
	if s.client, err = t.newConsumer(l.life, opts...); err != nil {
		return err
	}
	s.quit = sync.OnceValue(func() error { return s.part(l) })
	s.joined.Go(func() {
		select {
		case <-t.abandoned:
			if err := s.quit(); err != nil { // the plugin hangs; the partitions go to others
				t.Logger.Warn("the consumer of an abandoned task stays in its group until its session ends", "error", err)
			}
		case <-s.ended:
		}
	})
	if t.Holds != nil {
		s.joined.Go(func() { s.succeed(l) })
	}
	s.joined.Go(admitted(l, s.client.Client, task.Consumer))
	now := time.Now()
	s.pace = pace{interval: cmp.Or(s.t.Instance.Task.FlushInterval, flushInterval)}
	s.commitAt, s.lookAt = now.Add(s.pace.next()), now.Add(s.t.patience)
	return nil
}

func (s *sink) timeout() time.Duration { return cmp.Or(s.t.Instance.Task.FlushTimeout, flushTimeout) }

// loop polls and puts until life ends. The goroutine has the group's turn except while it polls.
func (s *sink) loop(l *lives) error {
	for l.life.Err() == nil {
		if err := s.step(l); err != nil {
			return err
		}
	}
	return nil
}

// step is one iteration (Kafka Connect: WorkerSinkTask.iteration).
func (s *sink) step(l *lives) error {
	if !s.t.holds() {
		return ErrLease
	}
	paused, seq, _ := s.t.control.look()
	s.setPaused(paused)
	asked := s.t.control.takeCommit()
	if s.asks.takeCommit() || asked || !time.Now().Before(s.commitAt) {
		s.commit(l, s.group.all(), false)
		s.commitAt = time.Now().Add(s.pace.next())
	}
	s.rewind()
	s.applyHolds(s.client.Client)
	fetches := s.poll(l, seq)
	if s.group.err != nil {
		return s.group.err
	}
	s.group.load()
	if err := s.troubles(l, fetches); err != nil {
		return err
	}
	if l.life.Err() != nil {
		return nil // what was fetched was not put, so it comes again
	}
	if err := s.take(l, fetches); err != nil {
		return err
	}
	s.measure()
	s.lookAround(l)
	return s.put(l)
}

func (s *sink) setPaused(paused bool) {
	switch {
	case paused == s.paused:
		return
	case paused:
		s.t.machine.to(Paused, nil)
		s.commitAt = time.Now()
	default:
		s.t.machine.to(Running, nil)
	}
	s.paused = paused
}

// applyHolds stops and resumes the fetching from partitions: all stand still while the task is paused or a batch comes
// again, and those that the sink has paused do.
func (s *sink) applyHolds(c *kgo.Client) {
	var stop, resume map[string][]int32
	for _, p := range s.group.parts {
		hold := s.paused || s.again || s.asks.holdsBack(p.TopicPartition)
		if hold == p.stopped {
			continue
		}
		p.stopped = hold
		into := &resume
		if hold {
			into = &stop
		}
		if *into == nil {
			*into = map[string][]int32{}
		}
		(*into)[p.Topic] = append((*into)[p.Topic], p.Partition)
	}
	if stop != nil {
		c.PauseFetchPartitions(stop)
	}
	if resume != nil {
		c.ResumeFetchPartitions(resume)
	}
}

// poll waits for records until the next commit is due, the sink's own timeout has passed, a batch comes again, or
// somebody asks for something.
func (s *sink) poll(l *lives, seq uint64) kgo.Fetches {
	wait := min(time.Until(s.commitAt), time.Until(s.lookAt))
	if s.again {
		wait = min(wait, time.Until(s.retryAt))
	}
	if d := s.asks.takeTimeout(); d > 0 {
		wait = min(wait, d)
	}
	ctx, cancel := context.WithTimeout(l.life, max(wait, time.Millisecond))
	defer cancel()
	s.t.control.onRequest(seq, cancel)
	defer s.t.control.onRequest(0, nil)
	s.group.turn <- struct{}{}
	s.client.AllowRebalance()
	fetches := s.client.PollRecords(ctx, s.polls.Records)
	<-s.group.turn
	return fetches
}

// troubles deals with the errors of a fetch.
func (s *sink) troubles(l *lives, fetches kgo.Fetches) error {
	var end error
	waits := false
	fetches.EachError(func(topic string, _ int32, err error) {
		w, err := s.group.trouble(l.life, topic, err)
		waits = waits || w
		if end == nil {
			end = err
		}
	})
	if waits && end == nil && fetches.NumRecords() == 0 {
		_ = s.chain.policy.wait(l.life, troubleWait) // ended early by a stop, which the loop sees
	}
	return end
}

// take makes a batch of what was fetched, and takes it through converters and chain.
func (s *sink) take(l *lives, fetches kgo.Fetches) error {
	var sought []*part
	bytes := 0
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		p := s.group.parts[plugin.TopicPartition{Topic: f.Topic, Partition: f.Partition}]
		switch {
		case p == nil || len(f.Records) == 0:
			return
		case s.again && p.seek < 0: // not to be fetched from while a batch comes again; what came all the same comes later
			p.seek = f.Records[0].Offset
		}
		if p.seek >= 0 {
			sought = append(sought, p)
			return
		}
		bytes += s.add(p, f.Records)
		s.t.UsesTopic(f.Topic)
		p.end = f.HighWatermark
	})
	for _, p := range sought {
		s.fetchFrom(p, p.seek)
	}
	n := len(s.batch.Records)
	if s.again || n == 0 {
		return nil
	}
	s.t.Meter.busy.Store(1)
	s.t.Meter.read(n, bytes)
	s.t.Meter.oldest.Store(s.oldest)
	s.lookAt = time.Now().Add(s.t.patience)
	s.t.machine.note(nil)
	clear(s.skipped)
	s.skipped = s.skipped[:0]
	if err := s.guard.Call("a converter", func() error { return s.decoder.decode(l.send, s.batch, s.messages) }); err != nil {
		return err
	}
	if err := s.chain.apply(l.send, s.batch); err != nil {
		return err
	}
	// The stages took the batch one after the other; a reader of the queue expects the topic's order (invariant 3).
	slices.SortStableFunc(s.skipped, func(x, y fault) int { return cmp.Compare(x.index, y.index) })
	for _, f := range s.skipped {
		s.report(l.send, f)
	}
	return nil
}

// add appends the records of one partition, and returns the size of their keys and values. Control records count for the
// position only.
func (s *sink) add(p *part, messages []*kgo.Record) (bytes int) {
	if !p.touched {
		p.touched = true
		s.touched = append(s.touched, p)
	}
	switch first := messages[0].Offset; {
	case first < p.position: // the topic was made anew or its log was cut: what is known of the old one counts no more
		p.current, p.committed, p.base = -1, -1, first
	case p.base < 0:
		p.base = first
	}
	for _, m := range messages {
		if m.Attrs.IsControl() {
			continue
		}
		r := s.batch.Append()
		r.Topic, r.Partition = m.Topic, m.Partition
		r.LogAppend = m.Attrs.TimestampType() == 1
		r.Timestamp = m.Timestamp.UnixMilli()
		r.Position = record.Position{Partition: p.number, Offset: record.OfInt64(m.Offset)}
		s.messages = append(s.messages, m)
		bytes += len(m.Key) + len(m.Value)
	}
	p.next = messages[len(messages)-1].Offset + 1
	p.position = p.next
	s.stamps(messages[0].Timestamp.UnixMilli(), messages[len(messages)-1].Timestamp.UnixMilli())
	return bytes
}

// stamps notes the timestamps of the first and the last record of a fetch from one partition.
func (s *sink) stamps(first, last int64) {
	if first > 0 && (s.oldest == 0 || first < s.oldest) {
		s.oldest = first
	}
	s.newest = max(s.newest, last)
}

// put gives the batch in hand to the sink; an empty one too, since a sink may work by the clock. A sink that asks for
// another try gets the same batch again, and nothing else before.
func (s *sink) put(l *lives) error {
	if s.again && time.Now().Before(s.retryAt) {
		return nil
	}
	if !s.t.holds() {
		return ErrLease
	}
	b := s.batch
	live := int64(0)
	for i := range b.Records {
		if b.Live(i) {
			live++
		}
	}
	s.t.Meter.InFlight.Store(live)
	start := time.Now()
	err := s.guard.Call("Put", func() error { return s.plugin.Put(l.send, b) })
	s.t.Meter.polled(time.Since(start))
	if err == nil || isRetry(err) {
		live -= s.errant(l.send)
	}
	switch {
	case isRetry(err):
		s.later(err)
		return nil
	case err != nil:
		return fmt.Errorf("put records into the sink: %w", err)
	}
	s.t.Meter.Delivered.Add(live)
	stop := s.chain.stop
	if stop != nil {
		s.report(l.send, *stop)
	}
	s.accept()
	if stop != nil {
		return s.chain.policy.exceeded(stop)
	}
	return nil
}

func isRetry(err error) bool {
	_, ok := plugin.IsRetry(err)
	return ok
}

// errant deals with the records that Put has marked (Kafka Connect: ErrantRecordReporter), and returns their number. With
// tolerance none the offsets stop at the first of each partition, and the task fails at the first of all.
func (s *sink) errant(ctx context.Context) int64 {
	fs := s.chain.failures(s.batch)
	for _, f := range fs {
		ft := fault{index: f.Index, at: place{stage: stagePut, class: "org.apache.kafka.connect.sink.SinkTask"}, err: f.Err, where: coordinates(s.batch, f.Index)}
		s.t.Meter.Failures.Add(1)
		if s.chain.policy.TolerateAll {
			s.report(ctx, ft)
			continue
		}
		m := s.messages[s.batch.Origin(f.Index)]
		if p := s.group.number[s.batch.Records[f.Index].Position.Partition]; p != nil {
			p.next = min(p.next, m.Offset)
		}
		if s.chain.stop == nil || f.Index < s.chain.stop.index {
			s.chain.stop = &ft
		}
	}
	return int64(len(fs))
}

// report logs a record that failed for good and sends it to the dead letter queue, in this order.
func (s *sink) report(ctx context.Context, f fault) {
	m := s.messages[s.batch.Origin(f.index)]
	s.chain.policy.record(ctx, f, consumedText(m))
	s.queue.send(ctx, m, f)
}

// later keeps the batch for another try.
func (s *sink) later(err error) {
	after, _ := plugin.IsRetry(err)
	wait := max(after, min(firstRetry<<min(s.tries, 10), slowPoll))
	if after > 0 {
		wait = after
	}
	if d := s.asks.takeTimeout(); d > 0 {
		wait = d
	}
	s.tries++
	s.again, s.retryAt = true, time.Now().Add(wait)
	s.t.Meter.Retries.Add(1)
	s.t.Logger.Warn("the sink asks for the same records again", "error", err, "wait", wait)
}

// accept counts the batch in hand as taken by the sink.
func (s *sink) accept() {
	dropped := int64(0)
	for i := range s.batch.Records {
		if s.batch.Dropped(i) {
			dropped++
		}
	}
	s.t.Meter.Dropped.Add(dropped)
	s.takeBack()
	for _, p := range s.touched {
		p.current = p.next
		if p.current > p.committed {
			s.t.Meter.unstored.Store(1)
		}
	}
	if len(s.messages) > 0 { // a sink is called without records too
		s.t.Meter.active()
		raise(&s.t.Meter.newest, s.newest)
	}
	s.clear()
}

// takeBack takes back the positions of records that were cut from the batch.
func (s *sink) takeBack() {
	for _, m := range s.messages[s.batch.Origin(len(s.batch.Records)):] {
		if p := s.group.parts[plugin.TopicPartition{Topic: m.Topic, Partition: m.Partition}]; p != nil {
			p.next = min(p.next, m.Offset)
		}
	}
}

// clear drops the batch in hand.
func (s *sink) clear() {
	for _, p := range s.touched {
		p.touched = false
	}
	clear(s.touched)
	s.touched = s.touched[:0]
	s.batch.Reset()
	for _, m := range s.messages {
		m.Recycle()
	}
	clear(s.messages)
	s.messages = s.messages[:0]
	s.again, s.tries, s.chain.stop = false, 0, nil
	s.oldest, s.newest = 0, 0
	s.t.Meter.oldest.Store(0)
	s.t.Meter.busy.Store(0)
	s.t.Meter.InFlight.Store(0)
}

// dropPart takes the records of a partition out of the batch in hand.
func (s *sink) dropPart(p *part) {
	left := false
	for i := range s.batch.Records {
		if s.batch.Records[i].Position.Partition == p.number {
			s.batch.Drop(i)
		}
		left = left || s.batch.Live(i)
	}
	for i, q := range s.touched {
		if q == p {
			s.touched = append(s.touched[:i], s.touched[i+1:]...)
			break
		}
	}
	p.touched = false
	if !left && len(s.touched) == 0 && s.chain.stop == nil {
		s.clear()
	}
}

// rewind carries out what the sink has asked for.
func (s *sink) rewind() {
	ours := func(tp plugin.TopicPartition) bool { return s.group.parts[tp] != nil }
	for tp, to := range s.asks.takeRewinds(ours) {
		p := s.group.parts[tp]
		s.dropPart(p)
		p.committed = to
		s.seek(p, to)
	}
}

// seek makes a partition go on from an offset; what the sink took from there on counts as not taken.
func (s *sink) seek(p *part, to int64) {
	p.current, p.base = min(to, p.committed), to
	s.fetchFrom(p, to)
}

// fetchFrom makes the client go on from an offset. It ignores that for a partition that it has not begun to consume; then
// it is done once the first records are there.
func (s *sink) fetchFrom(p *part, to int64) {
	p.position, p.seek = to, -1
	if _, begun := s.client.CommittedOffsets()[p.Topic][p.Partition]; !begun {
		p.seek = to
		return
	}
	s.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.Topic: {p.Partition: {Epoch: -1, Offset: to}}})
}

// close commits and closes what the task has, stops the sink and leaves the group.
func (s *sink) close(l *lives) error {
	var errs []error
	if s.client != nil {
		errs = append(errs, s.closeParts(l, s.group.all(), s.t.holds()))
		s.group.closed = true
	}
	if err := s.guard.Call("Stop", func() error { return s.plugin.Stop(l.last) }); err != nil {
		errs = append(errs, fmt.Errorf("stop the sink: %w", err))
	}
	errs = append(errs, s.chain.end(l.last))
	close(s.ended)
	if s.client != nil { // whoever closes the client of an abandoned task waits for this
		s.group.turn <- struct{}{}
		s.client.AllowRebalance()
	}
	s.joined.Wait()
	if s.client != nil {
		if err := s.quit(); err != nil {
			errs = append(errs, fmt.Errorf("leave the group: %w", err))
		}
	}
	s.queue.close()
	return errors.Join(errs...)
}

// succeed takes the place, in the group, of who had the task before and died with its worker. Only where workers have leases is
// it known that nobody else runs the task (invariant 5); two that run alone may well share a group.
func (s *sink) succeed(l *lives) {
	if err := s.client.succeed(l.life, "connector-consumer-"+s.t.name()); err != nil && l.life.Err() == nil {
		s.t.Logger.Debug("whether a dead worker's consumer is in the group is not known; its session ends by itself", "error", err)
	}
}

// part takes the task out of its group and closes the client. It does so also after the stop budget, for a task that was
// abandoned.
func (s *sink) part(l *lives) error {
	ctx, cancel := l.leave, context.CancelFunc(func() {})
	if s.t.gone() {
		ctx, cancel = context.WithTimeout(context.WithoutCancel(l.life), s.t.StopBudget)
	}
	defer cancel()
	defer s.client.close()
	return s.client.leave(ctx, s.t.StopBudget/16)
}

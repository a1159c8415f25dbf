package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

const (
	// inFlight is how many batches of a source may be on their way to the broker.
	inFlight = 16
	// adminTimeout bounds a look at a topic and its creation.
	adminTimeout = 30 * time.Second
	// emptyPoll is the wait after a poll that came back with nothing although it should have waited, and the first wait
	// after one that asks to be tried again; that doubles up to slowPoll.
	emptyPoll = 100 * time.Millisecond
	slowPoll  = 10 * time.Second
	// coolAfter is how long a source that had records must bring none before it gives its memory and connections back.
	coolAfter = 5 * time.Second
	// leaseEvery is after how many records the lease is looked at while a batch is being sent.
	leaseEvery = 256
)

// source is the body of a source task: one goroutine carries a batch from poll to producer, so order within a source
// partition is the order of the calls (invariant 3).
type source struct {
	t       *Task
	guard   Guard
	plugin  plugin.SourceTask
	batch   *record.Batch
	chain   *chain
	encoder *encoder
	flights chan *flight
	tracker *tracker

	client  *kgo.Client // nil while there is nothing to send
	admin   *kgo.Client // beside client, where the task makes topics by settings of their own
	warm    bool        // there were records since the clients were made
	commits *committer
	serving bool           // see serve
	joined  sync.WaitGroup // of the goroutines that serve starts
	retries int            // polls in a row that asked to be tried again
	refusal refusals
}

func newSource(t *Task) (*source, error) {
	g := t.guard()
	stages, err := newStages(g, t.Instance.Task.Chain)
	if err != nil {
		return nil, err
	}
	cs, err := newConverters(g, &t.Instance.Task)
	if err != nil {
		return nil, err
	}
	groups, err := newGroups(t.Instance.Task.Creation)
	if err != nil {
		return nil, err
	}
	s := &source{t: t, guard: g}
	s.batch = record.NewBatch(record.FromSource, &record.Partitions{})
	s.tracker = &tracker{answer: s, meter: t.Meter, begun: make(chan struct{}, 1)}
	s.chain = &chain{stages: stages, policy: t.policy(), guard: g, text: sourceText}
	s.chain.tolerated = func(ctx context.Context, f fault) { s.chain.policy.record(ctx, f, f.source) }
	s.encoder = &encoder{converters: cs, chain: s.chain, names: map[string]string{}}
	s.encoder.topics = &topics{groups: groups, uses: t.UsesTopic, known: map[string]string{}, timeout: func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, adminTimeout)
	}}
	if err := g.Call("NewTask", func() error { s.plugin = t.Instance.Plugin.NewSource().NewTask(); return nil }); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *source) open(l *lives) error {
	t, task := s.t, &s.t.Instance.Task
	s.refusal.fail, s.chain.policy.halt = l.fail, l.life.Done()
	// Settings that make no client are told at the start, not at the first record.
	if err := t.Clients.Verify(kafka.Producer, task.Producer); err != nil {
		return fmt.Errorf("make the producer: %w", err)
	}
	if t.CreateMissing {
		if err := t.Clients.Verify(kafka.Admin, task.Admin); err != nil {
			return fmt.Errorf("make the admin client: %w", err)
		}
	}
	s.commits = &committer{
		offsets: t.Offsets, instance: t.Instance.Name, partitions: s.batch.Partitions, tracker: s.tracker, timeout: cmp.Or(task.FlushTimeout, flushTimeout),
		holds: t.holds, guard: s.guard, meter: t.Meter, logger: t.Logger, condition: t.machine.note,
		unstored: map[int32]record.Value{}, untold: map[int32]record.Value{},
	}
	s.commits.listener, _ = s.plugin.(plugin.Committer)
	if !t.holds() {
		return ErrLease
	}
	h := &host{t.Logger, l.fail}
	if err := s.chain.start(l.life, h); err != nil {
		return err
	}
	err := s.guard.Call("Start", func() error {
		return s.plugin.Start(l.life, h, t.Config, reader{t.Offsets, t.Instance.Name})
	})
	if err != nil {
		return fmt.Errorf("start the task: %w", err)
	}
	return nil
}

// serve starts what goes on beside the loop, once there are records: a source that has none, and so is asked for no commit
// that would do anything, is one goroutine.
func (s *source) serve(l *lives) {
	if s.serving {
		return
	}
	s.serving = true
	s.joined.Go(func() {
		s.commits.run(l.life, l.store, cmp.Or(s.t.Instance.Task.FlushInterval, flushInterval), s.t.control.commits)
	})
	s.joined.Go(func() { s.refusal.run(l.life, s.chain.policy) })
}

// connect makes the clients unless they are there. An idle source has none, so that a thousand of them weigh little.
func (s *source) connect() error {
	if s.client != nil {
		return nil
	}
	t, task := s.t, &s.t.Instance.Task
	extra := []kgo.Opt{kgo.WithHooks(reach{t.machine.note})}
	if !t.CreateMissing {
		extra = append(extra, kgo.AllowAutoTopicCreation())
	}
	var err error
	if s.client, err = t.Clients.ProducerClient(task.Producer, "connector-producer-"+t.name(), extra...); err != nil {
		return fmt.Errorf("make the producer: %w", err)
	}
	if !t.CreateMissing {
		return nil
	}
	admin := s.client
	if len(task.Admin)+len(t.Clients.Admin)+len(task.Producer)+len(t.Clients.Producer) > 0 {
		if s.admin, err = t.Clients.AdminClient(task.Admin, "connector-adminclient-"+t.name()); err != nil {
			s.disconnect()
			return fmt.Errorf("make the admin client: %w", err)
		}
		admin = s.admin
	}
	s.encoder.topics.admin = kadm.NewClient(admin)
	return nil
}

// disconnect closes the clients. Everything that was sent must have been answered, or is given up.
func (s *source) disconnect() {
	for _, c := range []**kgo.Client{&s.client, &s.admin} {
		if *c != nil {
			(*c).Close()
			*c = nil
		}
	}
	s.encoder.topics.admin = nil
}

// cool gives memory and connections back while nothing is under way.
func (s *source) cool() {
	if len(s.flights) < cap(s.flights) {
		return // something is: the next quiet while comes
	}
	s.warm = false
	s.disconnect()
	s.t.machine.note(nil) // nobody has to be reached
	s.batch = record.NewBatch(record.FromSource, s.batch.Partitions)
	s.flights = nil
}

// loop polls until life ends. A pause interrupts a poll that waits; what it had collected is delivered first.
func (s *source) loop(l *lives) error {
	for l.life.Err() == nil {
		paused, seq, changed := s.t.control.look()
		if paused {
			s.t.machine.to(Paused, nil)
			select {
			case <-changed:
			case <-l.life.Done():
			}
			continue
		}
		s.t.machine.to(Running, nil)
		running, interrupt := context.WithCancel(l.life)
		s.t.control.onRequest(seq, interrupt)
		var err error
		for err == nil && running.Err() == nil {
			err = s.turn(running, l)
		}
		s.t.control.onRequest(0, nil)
		interrupt()
		if err != nil {
			return err
		}
	}
	return nil
}

// turn moves one batch.
func (s *source) turn(running context.Context, l *lives) error {
	if !s.t.holds() {
		return ErrLease
	}
	start := time.Now()
	quiet, polled := s.poll(running)
	n := len(s.batch.Records)
	if quiet {
		s.cool()
		return nil
	}
	if n > 0 {
		s.warm = true
		s.t.Meter.busy.Add(1)
		s.t.Meter.polled(time.Since(start))
		s.t.Meter.read(n, 0) // its bytes are known once it is encoded
		err := s.deliver(l)
		s.batch.Reset()
		s.t.Meter.busy.Add(-1)
		if err != nil {
			return err
		}
	}
	return s.settlePoll(running, polled, n)
}

// poll asks the plugin for records. quiet reports that it was interrupted because none had come for a while, which a source
// that is cool already is spared.
func (s *source) poll(running context.Context) (quiet bool, polled error) {
	ctx := running
	if s.warm {
		bounded, cancel := context.WithTimeout(running, s.t.coolAfter)
		defer cancel()
		ctx = bounded
	}
	polled = s.guard.Call("Poll", func() error { return s.plugin.Poll(ctx, s.batch) })
	quiet = len(s.batch.Records) == 0 && ctx.Err() != nil && running.Err() == nil && (polled == nil || errors.Is(polled, ctx.Err()))
	return quiet, polled
}

// settlePoll decides what follows from the outcome of a poll, after what it collected was sent.
func (s *source) settlePoll(running context.Context, polled error, n int) error {
	after, again := plugin.IsRetry(polled)
	switch {
	case polled == nil && n == 0 && running.Err() == nil:
		_ = sleep(running, emptyPoll) // a poll should wait; one that does not shall not turn the processor
	case polled == nil:
		s.retries = 0
	case again:
		wait := max(after, min(slowPoll, emptyPoll<<min(s.retries, 10)))
		s.retries++
		s.t.Meter.Retries.Add(1)
		s.t.Logger.Warn("the source asks to be polled again", "error", polled, "wait", wait)
		_ = sleep(running, wait) // ended early by a stop or a pause, which the loop sees
	case running.Err() != nil && errors.Is(polled, running.Err()):
		// the source passed on that its context ended
	default:
		return fmt.Errorf("poll the source: %w", polled)
	}
	return nil
}

// deliver takes the batch through chain and converters to the producer. It waits while the producer is full or too many
// batches are under way, which is the whole backpressure.
func (s *source) deliver(l *lives) error {
	b := s.batch
	s.serve(l)
	if s.client == nil {
		if err := s.connect(); err != nil {
			return err
		}
		s.joined.Go(admitted(l, s.client, s.t.Instance.Task.Producer))
	}
	if err := s.chain.apply(l.send, b); err != nil {
		return err
	}
	if s.flights == nil {
		s.flights = newFlights(inFlight)
	}
	var f *flight
	select {
	case f = <-s.flights:
	case <-l.send.Done():
		return context.Cause(l.life)
	}
	if err := s.guard.Call("a converter", func() error { return s.encoder.encode(l.send, b, f) }); err != nil {
		f.land()
		return err
	}
	s.countDropped(b)
	if err := s.positions(b); err != nil {
		f.land()
		return err
	}
	n := s.tracker.begin(b, f)
	s.t.Meter.InFlight.Add(int64(n))
	f.send(n)
	if err := s.produce(l.send, b, f); err != nil {
		return err
	}
	return s.stopped(l.send)
}

// stopped is the error of a record that the policy did not let pass, after what stands before it was sent.
func (s *source) stopped(ctx context.Context) error {
	f := s.chain.stop
	if f == nil {
		return nil
	}
	if f.at.stage == "" {
		return fmt.Errorf("send a record: %w", f.err)
	}
	s.chain.policy.record(ctx, *f, f.source)
	return s.chain.policy.exceeded(f)
}

func (s *source) countDropped(b *record.Batch) {
	dropped := int64(0)
	for i := range b.Records {
		if b.Dropped(i) {
			dropped++
		}
	}
	if dropped > 0 {
		s.t.Meter.Dropped.Add(dropped)
	}
}

// positions checks what the tracker relies on.
func (s *source) positions(b *record.Batch) (err error) {
	b.Runs(func(partition int32, _, to int) {
		switch {
		case err != nil:
		case partition < 0 || int(partition) >= b.Partitions.Len():
			err = plugin.Permanent(fmt.Errorf("the source gave a record the partition number %d, which is none of its own", partition))
		default:
			err = checkFlat(b.Records[to-1].Position.Offset)
		}
	})
	return err
}

// produce hands the messages to the producer, one promise a span.
func (s *source) produce(send context.Context, b *record.Batch, f *flight) error {
	next, bytes := 0, 0
	var lost error
	b.Runs(func(partition int32, from, to int) {
		promise := s.tracker.promise(partition)
		for i := from; i < to; i++ {
			if !b.Live(i) {
				continue
			}
			if next%leaseEvery == 0 && lost == nil && !s.t.holds() {
				lost = ErrLease
			}
			m := &f.messages[next]
			next++
			if lost != nil {
				promise(m, lost)
				continue
			}
			bytes += len(m.Key) + len(m.Value)
			s.client.Produce(send, m, promise)
		}
	})
	s.t.Meter.Bytes.Add(int64(bytes))
	return lost
}

// refused is told, on a goroutine of the producer, of a record that could not be delivered. With tolerance none the task
// fails, and the record's offset is never stored; with tolerance all the record is counted as skipped (Kafka Connect:
// stage KAFKA_PRODUCE).
func (s *source) refused(r *kgo.Record, err error) bool {
	// What ends the whole producer is no matter of a record, and neither is a topic that is not there: skipping what is for
	// it would lose everything (Kafka Connect waits for ever).
	whole := errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, ErrLease) || isMissing(err)
	err = refusal("write to", r.Topic, err)
	if whole || !s.chain.policy.TolerateAll {
		s.refusal.fail(fmt.Errorf("deliver a record: %w", err))
		return false
	}
	s.refusal.add(err)
	return true
}

// close delivers what was sent, stores its offsets, tells the source and stops it: a stop loses nothing (invariant 7).
func (s *source) close(l *lives) error {
	s.joined.Wait()
	var errs []error
	if s.commits != nil {
		if s.t.holds() {
			if s.client != nil {
				if err := s.client.Flush(l.send); err != nil {
					errs = append(errs, fmt.Errorf("deliver what was sent: %w", err))
				}
			}
			s.refusal.drain(l.store, s.chain.policy)
			if !s.commits.commit(l.store) {
				errs = append(errs, errors.New("store the last offsets"))
			}
		}
		s.disconnect()
		s.refusal.drain(l.store, s.chain.policy)
	}
	if err := s.guard.Call("Stop", func() error { return s.plugin.Stop(l.last) }); err != nil {
		errs = append(errs, fmt.Errorf("stop the source: %w", err))
	}
	errs = append(errs, s.chain.end(l.last))
	return errors.Join(errs...)
}

// refusals are failed deliveries that the policy tolerates, on their way from the producer's goroutines, which must not
// wait, to the log.
type refusals struct {
	fail func(error)

	mu   sync.Mutex
	list []error
	wake chan struct{}
}

func (r *refusals) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, err)
	if r.wake != nil {
		close(r.wake)
		r.wake = nil
	}
}

// run logs and counts refusals until the context ends.
func (r *refusals) run(ctx context.Context, p *policy) {
	for {
		r.mu.Lock()
		if r.wake == nil {
			r.wake = make(chan struct{})
		}
		wake, some := r.wake, len(r.list) > 0
		r.mu.Unlock()
		if some {
			r.drain(ctx, p)
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

func (r *refusals) drain(ctx context.Context, p *policy) {
	r.mu.Lock()
	list := r.list
	r.list = nil
	r.mu.Unlock()
	for _, err := range list {
		p.meter.Failures.Add(1)
		p.record(ctx, fault{at: place{stage: stageProduce, class: "org.apache.kafka.connect.source.SourceTask"}, err: err}, "")
	}
}

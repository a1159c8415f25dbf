package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Preview reads a few records where a pipeline would, and takes them through its chain. It writes nothing: a source has no
// producer and is told of no commit, a sink is not made at all, and its topics are read without a group.
type Preview struct {
	Instance *graph.Instance
	Clients  kafka.Clients
	Logger   *slog.Logger
}

// Told is one record of a preview. What it refers to lives as long as the record's batch.
type Told struct {
	In      record.Record
	Outcome Outcome
	// Unread is why a message could not be read; then In has only what the message itself says.
	Unread string
}

// previewStop is how long a source may take to end.
const previewStop = 5 * time.Second

// Run reads up to n records, until ctx is done, and tells of each. That there were fewer is no error. A plugin that has not
// ended within five seconds of ctx is abandoned: its goroutine stays until its call returns, and nothing more is told.
func (p *Preview) Run(ctx context.Context, n int, tell func(Told) error) error {
	var telling sync.Mutex
	abandoned := false
	finished := make(chan error, 1)
	go func() { // joined below, unless a plugin hangs
		finished <- p.run(ctx, n, func(t Told) error {
			telling.Lock()
			defer telling.Unlock()
			if abandoned {
				return context.Cause(ctx)
			}
			return tell(t)
		})
	}()
	select {
	case err := <-finished:
		return err
	case <-ctx.Done():
	}
	budget := time.NewTimer(previewStop)
	defer budget.Stop()
	select {
	case err := <-finished:
		return err
	case <-budget.C:
	}
	telling.Lock()
	abandoned = true
	telling.Unlock()
	d := diag.New(diag.TaskFailed, diag.Place{}, "The preview of %s did not end within %s: a call into a plugin hangs. It was abandoned.", p.Instance.Name, previewStop)
	return &d
}

func (p *Preview) run(ctx context.Context, n int, tell func(Told) error) error {
	trial, err := NewTrial(&p.Instance.Task)
	if err != nil {
		return err
	}
	if p.Instance.Role == plugin.SinkRole {
		return p.topics(ctx, trial, n, tell)
	}
	return p.source(ctx, trial, n, tell)
}

// source runs the connector and its tasks, one after the other.
func (p *Preview) source(ctx context.Context, trial *Trial, n int, tell func(Told) error) (err error) {
	life, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	g := Guard{Plugin: p.Instance.Plugin.Name, Logger: p.Logger}
	h := &host{p.Logger, fail}
	var connector plugin.Source
	var configs []plugin.Config
	if err := g.Call("NewSource", func() error { connector = p.Instance.Plugin.NewSource(); return nil }); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop(ctx, g, connector.Stop)) }()
	err = g.Call("Start", func() error { return connector.Start(life, h, p.Instance.Settings) })
	if err == nil {
		err = g.Call("Tasks", func() (err error) { configs, err = connector.Tasks(life, p.Instance.TasksMax); return err })
	}
	if err != nil {
		return overOr(ctx, fmt.Errorf("start the source: %w", err))
	}
	left := n
	for i, c := range configs {
		within, cancel := life, context.CancelFunc(func() {})
		if until, ok := ctx.Deadline(); ok && i < len(configs)-1 { // so that one without records leaves time to the others
			within, cancel = context.WithTimeout(life, time.Until(until)/time.Duration(len(configs)-i))
		}
		left, err = p.task(within, trial, c, left, tell)
		cancel()
		if err != nil || left == 0 || life.Err() != nil {
			break
		}
	}
	if cause := context.Cause(life); err == nil && ctx.Err() == nil && cause != nil {
		return cause
	}
	return err
}

// stop ends a plugin, within its time.
func (p *Preview) stop(ctx context.Context, g Guard, stop func(context.Context) error) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), previewStop)
	defer cancel()
	if err := g.Call("Stop", func() error { return stop(within) }); err != nil {
		return fmt.Errorf("stop the source: %w", err)
	}
	return nil
}

// task reads up to n records from a task and returns how many are still wanted.
func (p *Preview) task(ctx context.Context, trial *Trial, c plugin.Config, n int, tell func(Told) error) (left int, err error) {
	life, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	g := trial.guard
	var t plugin.SourceTask
	if err := g.Call("NewTask", func() error { t = p.Instance.Plugin.NewSource().NewTask(); return nil }); err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, p.stop(ctx, g, t.Stop)) }()
	if err := g.Call("Start", func() error { return t.Start(life, &host{p.Logger, fail}, c, nothingStored{}) }); err != nil {
		return n, overOr(ctx, fmt.Errorf("start a task of the source: %w", err))
	}
	partitions := &record.Partitions{}
	for n > 0 && life.Err() == nil {
		b := record.NewBatch(record.FromSource, partitions)
		err := g.Call("Poll", func() error { return t.Poll(life, b) })
		for i := 0; i < len(b.Records) && n > 0; i, n = i+1, n-1 {
			one := Told{In: b.Records[i]}
			one.Outcome = trial.alone(ctx, record.FromSource, partitions, one.In)
			if one.Outcome.Err == nil {
				trial.encode(&one.Outcome)
			}
			if err := tell(one); err != nil {
				return n, err
			}
		}
		if err != nil {
			if _, again := plugin.IsRetry(err); !again {
				return n, overOr(life, fmt.Errorf("read from the source: %w", err))
			}
		}
		if len(b.Records) == 0 {
			select {
			case <-life.Done():
			case <-time.After(emptyPoll):
			}
		}
	}
	if cause := context.Cause(life); ctx.Err() == nil && cause != nil {
		return n, cause
	}
	return n, nil
}

// overOr is an error, or nil when it came after the time was over.
func overOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// nothingStored are the offsets of a source that begins anew.
type nothingStored struct{}

// Read implements [plugin.Offsets].
func (nothingStored) Read(_ context.Context, partitions ...record.Value) ([]record.Value, error) {
	return make([]record.Value, len(partitions)), nil
}

// alone takes one record through the chain in a batch of its own.
func (t *Trial) alone(ctx context.Context, side record.Side, partitions *record.Partitions, r record.Record) Outcome {
	b := record.NewBatch(side, partitions)
	*b.Append() = r
	b.Records[0].Headers = slices.Clone(r.Headers)
	return t.Run(ctx, b)
}

// encode tries the converters on what comes out, but for those that would register schemas by it.
func (t *Trial) encode(o *Outcome) {
	for i := range o.Records {
		r := &o.Records[i]
		for use, d := range map[plugin.Use]record.Datum{plugin.KeyUse: r.Key, plugin.ValueUse: r.Value} {
			if c, _ := t.converter(use); c.wide != nil {
				continue
			}
			if _, stage, err := t.Write(use, r.Topic, d); err != nil && o.Err == nil {
				o.Stage, o.Err = stage, err
			}
		}
	}
}

// topics reads the newest records of a sink's topics.
func (p *Preview) topics(ctx context.Context, trial *Trial, n int, tell func(Told) error) error {
	client, err := p.consumer()
	if err != nil {
		return fmt.Errorf("make the consumer: %w", err)
	}
	defer client.Close()
	messages, err := p.newest(ctx, client, n)
	if err != nil {
		return err
	}
	partitions := &record.Partitions{}
	for _, m := range messages {
		b := record.NewBatch(record.ToSink, partitions)
		r := b.Append()
		r.Topic, r.Partition, r.Timestamp = m.Topic, m.Partition, m.Timestamp.UnixMilli()
		r.Position = record.Position{Offset: record.OfInt64(m.Offset)}
		var one Told
		if one.Unread, err = trial.read(ctx, b, r, m); err != nil {
			one.In, one.Outcome = *r, Outcome{Stage: one.Unread, Err: err}
		} else {
			one.In = *r
			one.Outcome = trial.alone(ctx, record.ToSink, partitions, *r)
		}
		if err := tell(one); err != nil {
			return err
		}
	}
	return nil
}

// consumer makes a client that belongs to no group.
func (p *Preview) consumer() (*kgo.Client, error) {
	without := func(m map[string]string) map[string]string {
		m = maps.Clone(m)
		delete(m, "group.id")
		delete(m, "group.instance.id")
		return m
	}
	clients := p.Clients
	clients.Consumer = without(clients.Consumer)
	return clients.ConsumerClient(without(p.Instance.Task.Consumer), "connector-preview-"+p.Instance.Name, "", kgo.KeepControlRecords())
}

// newest reads the last n messages there are, by their timestamps; those of one partition stay in order.
func (p *Preview) newest(ctx context.Context, client *kgo.Client, n int) ([]*kgo.Record, error) {
	ends, from, err := p.spans(ctx, client, n)
	if err != nil || len(ends) == 0 {
		return nil, err
	}
	client.AddConsumePartitions(from)
	of := map[plugin.TopicPartition][]*kgo.Record{}
	for len(ends) > 0 && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			if ctx.Err() == nil {
				return nil, refusal("read", e.Topic, e.Err)
			}
		}
		fetches.EachRecord(func(m *kgo.Record) {
			at := plugin.TopicPartition{Topic: m.Topic, Partition: m.Partition}
			if end, wanted := ends[at]; wanted && m.Offset >= end-1 {
				delete(ends, at)
			}
			if !m.Attrs.IsControl() {
				of[at] = append(of[at], m)
			}
		})
	}
	var all []*kgo.Record
	for _, at := range slices.SortedFunc(maps.Keys(of), comparePartitions) {
		list := of[at]
		all = append(all, list[max(0, len(list)-n):]...)
	}
	slices.SortStableFunc(all, func(a, b *kgo.Record) int { return a.Timestamp.Compare(b.Timestamp) })
	return all[max(0, len(all)-n):], nil
}

// spans says where each partition of the topics ends and from where to read n messages; those that are empty are left out.
func (p *Preview) spans(ctx context.Context, client *kgo.Client, n int) (ends map[plugin.TopicPartition]int64, from map[string]map[int32]kgo.Offset, err error) {
	admin := kadm.NewClient(client)
	topics, err := p.names(ctx, admin)
	if err != nil || len(topics) == 0 {
		return nil, nil, err
	}
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, nil, overOr(ctx, refusal("read", topics[0], err))
	}
	list := admin.ListEndOffsets
	if cmp.Or(p.Instance.Task.Consumer["isolation.level"], p.Clients.Consumer["isolation.level"]) == "read_committed" {
		list = admin.ListCommittedOffsets
	}
	listed, err := list(ctx, topics...)
	if err != nil {
		return nil, nil, overOr(ctx, refusal("read", topics[0], err))
	}
	ends, from = map[plugin.TopicPartition]int64{}, map[string]map[int32]kgo.Offset{}
	for _, ps := range listed {
		for _, end := range ps {
			if end.Err != nil {
				return nil, nil, refusal("read", end.Topic, end.Err)
			}
			start, ok := starts.Lookup(end.Topic, end.Partition)
			if !ok || start.Offset >= end.Offset {
				continue
			}
			if from[end.Topic] == nil {
				from[end.Topic] = map[int32]kgo.Offset{}
			}
			from[end.Topic][end.Partition] = kgo.NewOffset().At(max(start.Offset, end.Offset-int64(n)))
			ends[plugin.TopicPartition{Topic: end.Topic, Partition: end.Partition}] = end.Offset
		}
	}
	return ends, from, nil
}

// names are the topics that the sink reads.
func (p *Preview) names(ctx context.Context, admin *kadm.Client) ([]string, error) {
	task := &p.Instance.Task
	if task.TopicsRegex == "" {
		return task.Topics, nil
	}
	pattern, err := plugin.ParsePattern(task.TopicsRegex)
	if err != nil {
		return nil, plugin.Invalid("topics.regex", task.TopicsRegex, "Invalid regex: "+err.Error())
	}
	whole, err := regexp.Compile(`\A(?:` + pattern.String() + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("read topics.regex: %w", err)
	}
	found, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, overOr(ctx, refusal("read", task.TopicsRegex, err))
	}
	return slices.DeleteFunc(found.Names(), func(name string) bool { return !whole.MatchString(name) }), nil
}

// read converts a message, in Kafka Connect's order for sinks; the stage is that of the converter that fails.
func (t *Trial) read(ctx context.Context, b *record.Batch, r *record.Record, m *kgo.Record) (stage string, err error) {
	around := plugin.Message{Topic: m.Topic}
	for _, h := range m.Headers {
		around.Headers = append(around.Headers, plugin.MessageHeader(h))
	}
	convert := func(use plugin.Use, src []byte) (d record.Datum) {
		if err != nil {
			return d
		}
		c, name := t.converter(use)
		stage = name
		err = t.guard.Call("ReadData", func() (err error) { d, err = c.readFrom(ctx, &b.Arena, &around, src); return err })
		return d
	}
	r.Key, r.Value = convert(plugin.KeyUse, m.Key), convert(plugin.ValueUse, m.Value)
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, record.Header{Key: h.Key, Datum: convert(plugin.HeaderUse, h.Value)})
	}
	if err == nil {
		stage = ""
	}
	return stage, err
}

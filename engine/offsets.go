package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/graph"
	"github.com/penstock/penstock/engine/internal/kafka"
	"github.com/penstock/penstock/engine/internal/task"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/store"
)

// offsetsWithin bounds what a look at offsets, or a change of them, may take, the plugin's say included.
const offsetsWithin = 30 * time.Second

// The members of a sink's partitions and offsets (KIP-875).
const (
	kafkaTopic     = "kafka_topic"
	kafkaPartition = "kafka_partition"
	kafkaOffset    = "kafka_offset"
)

// Offsets lists the offsets of a connector as JSON: of a source what its tasks have stored, of a sink what its consumer
// group has committed. A refusal is a *[store.RefusedError]; other errors say in Kafka Connect's words what failed.
func (e *Engine) Offsets(ctx context.Context, name string) ([]store.Offset, error) {
	ctx, cancel := context.WithTimeout(ctx, offsetsWithin)
	defer cancel()
	c, err := e.connector(ctx, name)
	if err != nil {
		return nil, err
	}
	if d, known := e.Registry.Connector(c.Config[config.ConnectorClass]); !known || d.Role() == plugin.SourceRole {
		list, err := e.Store.Offsets().List(ctx, name)
		if err != nil {
			return nil, worded(err, "Failed to retrieve offsets for source connector %s", name)
		}
		return list, nil
	}
	var list []store.Offset
	err = e.group(c, func(g kafka.Groups, group string) error {
		committed, err := g.Offsets(ctx, group)
		for _, o := range committed {
			list = append(list, sinkOffset(o))
		}
		return err
	})
	if err != nil {
		return nil, worded(err, "Failed to retrieve consumer group offsets for sink connector %s", name)
	}
	return list, nil
}

// AlterOffsets changes offsets of a stopped connector; an entry without a value takes an offset away. It reports whether
// the connector had a say in it and agreed. A refusal is a *[store.RefusedError]; other errors say in Kafka Connect's words
// what failed.
func (e *Engine) AlterOffsets(ctx context.Context, name string, changes []store.Offset) (agreed bool, err error) {
	return e.change(ctx, name, func(ctx context.Context, c store.Connector, i *graph.Instance) (bool, error) {
		if i.Role == plugin.SourceRole {
			return e.alterSource(ctx, i, changes)
		}
		return e.alterSink(ctx, c, i, changes)
	})
}

// ResetOffsets takes all offsets of a stopped connector away. Otherwise it is as [Engine.AlterOffsets].
func (e *Engine) ResetOffsets(ctx context.Context, name string) (agreed bool, err error) {
	return e.change(ctx, name, func(ctx context.Context, c store.Connector, i *graph.Instance) (bool, error) {
		if i.Role == plugin.SourceRole {
			list, err := e.Store.Offsets().List(ctx, name)
			if err != nil {
				return false, worded(err, "Failed to reset offsets for source connector %s", name)
			}
			for n := range list {
				list[n].Value = nil
			}
			return e.alterSource(ctx, i, list)
		}
		return e.resetSink(ctx, c, i)
	})
}

func (e *Engine) connector(ctx context.Context, name string) (store.Connector, error) {
	s, err := e.Snapshot(ctx)
	if err != nil {
		return store.Connector{}, err
	}
	c, ok := s.Connectors[name]
	if !ok {
		return c, &store.RefusedError{Refusal: store.NotFound, Reason: fmt.Sprintf("Connector %s not found", name)}
	}
	return c, nil
}

// holdFor is longer than a change of offsets takes: it ends the hold of a worker that has gone, whoever leads by then.
const holdFor = offsetsWithin + 15*time.Second

// change holds a stopped connector while its offsets are changed: the leader starts nothing of it meanwhile, whichever worker
// is asked to.
func (e *Engine) change(ctx context.Context, name string, do func(context.Context, store.Connector, *graph.Instance) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, offsetsWithin)
	defer cancel()
	hold := store.HoldConnector{Name: name, By: store.NewID(), For: holdFor}
	if err := e.submit(ctx, store.Op{Hold: &hold}); err != nil {
		if r, refused := errors.AsType[*store.RefusedError](err); refused && r.Refusal == store.Invalid {
			return false, running(name)
		}
		return false, err
	}
	defer func() {
		if released := e.submit(context.WithoutCancel(ctx), store.Op{Hold: &store.HoldConnector{Name: name, By: hold.By}}); released != nil {
			e.Logger.Warn("a connector cannot be started for a while, since its hold could not be ended", "connector", name, "for", holdFor, "error", released)
		}
	}()
	s, err := e.Snapshot(ctx)
	if err != nil {
		return false, err
	}
	all, err := e.Statuses(ctx)
	if err != nil {
		return false, err
	}
	c := s.Connectors[name]
	if !stopped(s, name, all) {
		return false, running(name)
	}
	i, found := graph.CompileOne(name, c.Config, e.Worker, e.Registry)
	if i == nil {
		return false, found.Err()
	}
	return do(ctx, c, i)
}

// running is the refusal to change offsets of what may be running.
func running(name string) error {
	return refused("Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/%s/stop' endpoint", name)
}

// agree asks a connector that wants a say.
func (e *Engine) agree(ctx context.Context, i *graph.Instance, changes []plugin.OffsetChange) (bool, error) {
	asked := false
	g := task.Guard{Plugin: i.Plugin.Name, Logger: e.Logger}
	err := g.Call("AlterOffsets", func() error {
		var c any
		if i.Role == plugin.SourceRole {
			c = i.Plugin.NewSource()
		} else {
			c = i.Plugin.NewSink()
		}
		alterer, ok := c.(plugin.OffsetAlterer)
		if !ok {
			return nil
		}
		asked = true
		return alterer.AlterOffsets(ctx, i.Settings, changes)
	})
	return asked && err == nil, err
}

func (e *Engine) alterSource(ctx context.Context, i *graph.Instance, changes []store.Offset) (bool, error) {
	asked := make([]plugin.OffsetChange, len(changes))
	entries := make([]store.Offset, 0, len(changes))
	for n, ch := range changes {
		var err error
		if asked[n].Partition, err = task.ReadOffset(ch.Partition); err != nil {
			return false, err
		}
		if asked[n].Offset, err = task.ReadOffset(ch.Value); err != nil {
			return false, err
		}
	}
	agreed, err := e.agree(ctx, i, asked)
	if err != nil {
		return false, err
	}
	for _, ch := range asked {
		var entry store.Offset
		if entry.Partition, err = task.WriteOffset(ch.Partition); err != nil {
			return false, err
		}
		if entry.Value, err = task.WriteOffset(ch.Offset); err != nil {
			return false, err
		}
		if entry.Partition == nil {
			return false, errors.New("Partition objects cannot be null") //nolint:staticcheck // Kafka Connect's text
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		return agreed, nil
	}
	if err := e.Store.Offsets().Commit(ctx, i.Name, entries); err != nil {
		return false, worded(err, "Failed to modify offsets for source connector %s", i.Name)
	}
	return agreed, nil
}

func (e *Engine) alterSink(ctx context.Context, c store.Connector, i *graph.Instance, changes []store.Offset) (bool, error) {
	last := map[[2]string]change{}
	var order [][2]string
	for _, ch := range changes {
		one, err := sinkChange(ch)
		if err != nil {
			return false, err
		}
		key := [2]string{one.Topic, strconv.Itoa(int(one.Partition))}
		if _, again := last[key]; !again {
			order = append(order, key)
		}
		last[key] = one // of two entries of one partition the later counts
	}
	var asked []plugin.OffsetChange
	var set, clear []kafka.GroupOffset
	for _, key := range order {
		one := last[key]
		asked = append(asked, one.asked())
		switch {
		case one.gone:
			clear = append(clear, one.GroupOffset)
		case one.Offset < 0:
			return false, fmt.Errorf("Failed to modify offsets for sink connector %s", i.Name) //nolint:staticcheck // Kafka Connect's text
		default:
			set = append(set, one.GroupOffset)
		}
	}
	agreed, err := e.agree(ctx, i, asked)
	if err != nil {
		return false, err
	}
	err = e.group(c, func(g kafka.Groups, group string) error {
		if err := g.Set(ctx, group, set); err != nil {
			return err
		}
		return g.Clear(ctx, group, clear)
	})
	return agreed, groupTrouble(err, "alter", i.Name, "Failed to alter consumer group offsets for connector %s")
}

func (e *Engine) resetSink(ctx context.Context, c store.Connector, i *graph.Instance) (bool, error) {
	agreed := false
	err := e.group(c, func(g kafka.Groups, group string) error {
		committed, err := g.Offsets(ctx, group)
		if err != nil {
			return worded(err, "Failed to list offsets prior to resetting offsets for sink connector %s", i.Name)
		}
		asked := make([]plugin.OffsetChange, len(committed))
		for n, o := range committed {
			asked[n] = change{GroupOffset: o, gone: true}.asked()
		}
		if agreed, err = e.agree(ctx, i, asked); err != nil {
			return &wordedError{err.Error(), err}
		}
		return g.Delete(ctx, group)
	})
	return agreed, groupTrouble(err, "reset", i.Name, "Failed to reset consumer group offsets for sink connector %s")
}

// group works on a sink's consumer group.
func (e *Engine) group(c store.Connector, do func(g kafka.Groups, group string) error) error {
	i, found := graph.CompileOne(c.Name, c.Config, e.Worker, e.Registry)
	if i == nil {
		return found.Err()
	}
	clients, err := e.clients()
	if err != nil {
		return err
	}
	group, err := clients.Group(i.Task.Consumer, "connect-"+c.Name)
	if err != nil {
		return err
	}
	client, err := clients.AdminClient(i.Task.Admin, "connector-adminclient-"+c.Name)
	if err != nil {
		return err
	}
	defer client.Close()
	return do(kafka.NewGroups(client), group)
}

// groupTrouble is what a failed change of a group's offsets is called.
func groupTrouble(err error, verb, name, otherwise string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kafka.ErrGroupBusy):
		return worded(err, "Failed to %s consumer group offsets for connector %s either because its tasks haven't stopped completely yet or the connector was resumed before the request to %s its offsets could be successfully completed. If the connector is in a stopped state, this operation can be safely retried. If it doesn't eventually succeed, the Connect cluster may need to be restarted to get rid of the zombie sink tasks.", verb, name, verb)
	}
	if _, told := errors.AsType[*wordedError](err); told {
		return err
	}
	return worded(err, otherwise, name)
}

// change is one wanted offset of a sink.
type change struct {
	kafka.GroupOffset
	gone bool
}

func (c change) asked() plugin.OffsetChange {
	o := sinkOffset(c.GroupOffset)
	// The JSON is of our own making.
	p, _ := task.ReadOffset(o.Partition)
	v, _ := task.ReadOffset(o.Value)
	if c.gone {
		v, _ = task.ReadOffset(nil)
	}
	return plugin.OffsetChange{Partition: p, Offset: v}
}

func sinkOffset(o kafka.GroupOffset) store.Offset {
	topic, _ := json.Marshal(o.Topic) // a string has JSON
	return store.Offset{
		Partition: fmt.Appendf(nil, `{"%s":%d,"%s":%s}`, kafkaPartition, o.Partition, kafkaTopic, topic),
		Value:     fmt.Appendf(nil, `{"%s":%d}`, kafkaOffset, o.Offset),
	}
}

// sinkChange reads one change of a sink's offsets (Kafka Connect: SinkUtils.parseSinkConnectorOffsets).
func sinkChange(ch store.Offset) (change, error) {
	var c change
	partition, err := object(ch.Partition)
	if err != nil {
		return c, err
	}
	if partition == nil {
		return c, refused("The partition for a sink connector offset cannot be null or missing")
	}
	topic, hasTopic := partition[kafkaTopic]
	number, hasNumber := partition[kafkaPartition]
	if !hasTopic || !hasNumber {
		return c, refused("The partition for a sink connector offset must contain the keys '%s' and '%s'", kafkaTopic, kafkaPartition)
	}
	if topic == nil {
		return c, refused("Kafka topic names must be valid strings and may not be null")
	}
	if number == nil {
		return c, refused("Kafka partitions must be valid numbers and may not be null")
	}
	c.Topic = fmt.Sprint(topic)
	n, err := strconv.ParseInt(fmt.Sprint(number), 10, 32)
	if err != nil {
		return c, refused("Failed to parse the following Kafka partition value in the provided offsets: '%v'. Partition values for sink connectors need to be integers.", number)
	}
	c.Partition = int32(n)
	offset, err := object(ch.Value)
	if err != nil {
		return c, err
	}
	if offset == nil {
		c.gone, c.Offset = true, math.MaxInt64
		return c, nil
	}
	at, has := offset[kafkaOffset]
	if !has {
		return c, refused("The offset for a sink connector should either be null or contain the key '%s'", kafkaOffset)
	}
	text := "null"
	if at != nil {
		text = fmt.Sprint(at)
	}
	if c.Offset, err = strconv.ParseInt(text, 10, 64); err != nil {
		return c, refused("Failed to parse the following Kafka offset value in the provided offsets: '%s'. Offset values for sink connectors need to be integers.", text)
	}
	return c, nil
}

// object reads JSON as an object whose numbers keep their text; nil for null and nothing.
func object(text []byte) (map[string]any, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // nothing is not an error
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, refused("A partition or an offset is not a JSON object")
	}
	return m, nil
}

func refused(format string, args ...any) error {
	return &store.RefusedError{Refusal: store.Invalid, Reason: fmt.Sprintf(format, args...)}
}

// wordedError says in Kafka Connect's words what failed; the cause is for the log.
type wordedError struct {
	text  string
	cause error
}

func worded(cause error, format string, args ...any) error {
	return &wordedError{fmt.Sprintf(format, args...), cause}
}

func (e *wordedError) Error() string { return e.text }
func (e *wordedError) Unwrap() error { return e.cause }

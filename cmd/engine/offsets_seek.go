package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/store"
)

// seeking is where a connector is sent without a file of offsets (Kafka: kafka-consumer-groups --reset-offsets).
type seeking struct {
	*remote
	earliest, latest bool
	time, offset     string
	topics           []string // of a sink: TOPIC or TOPIC:PARTITION,PARTITION; none: all that it reads
	servers          string   // of the Kafka cluster, for workers that cannot be asked
	to               string   // the name of a cluster block
}

func (s *seeking) flags(c *cobra.Command) *cobra.Command {
	f := c.Flags()
	f.BoolVar(&s.earliest, "to-earliest", false, "to the beginning of what is there to read")
	f.BoolVar(&s.latest, "to-latest", false, "to the end, so that only what comes from now on is read")
	f.StringVar(&s.time, "to-time", "", "to the first records that are not older than `TIME`: 2026-11-20T14:02:00Z, or 2h for two hours ago")
	f.StringVar(&s.offset, "to-offset", "", "to the offset `NUMBER`, or the nearest one that is there")
	f.StringArrayVar(&s.topics, "topic", nil, "of a sink, only `TOPIC`, or TOPIC:0,1 for partitions of it; may be repeated")
	f.StringVar(&s.servers, "bootstrap-servers", "", "the Kafka of a worker of Kafka Connect, as `HOST:PORT`; or use -cluster")
	f.StringVar(&s.to, "cluster", "", "the `NAME` of a cluster block in the folder you are in: where the worker is, and its Kafka")
	return s.remote.flags(c)
}

// asked reports whether a flag says where to go.
func (s *seeking) asked() bool { return s.earliest || s.latest || s.time != "" || s.offset != "" }

// checked refuses flags that do not go together.
func (s *seeking) checked(cmd *cobra.Command) error {
	var said []string
	for _, name := range []string{"to-earliest", "to-latest", "to-time", "to-offset"} {
		if cmd.Flags().Changed(name) {
			said = append(said, "-"+name)
		}
	}
	switch {
	case len(said) > 1:
		return usageError(cmd, fmt.Errorf("%s go to different places; give one of them", strings.Join(said, " and ")))
	case len(said) == 0 && len(s.topics) > 0:
		return usageError(cmd, fmt.Errorf("-topic says which topics go somewhere; say where with -to-earliest, -to-latest, -to-time or -to-offset"))
	}
	return nil
}

// reach finds the worker that a cluster block names, or that of the flags, and the properties of its Kafka where they say
// them.
func (s *seeking) reach(ctx context.Context) (*cluster, map[string]string, error) {
	block, err := s.clusterBlock(s.to)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.cluster(ctx, block)
	if err != nil {
		return nil, nil, err
	}
	kafka := kafkaOf(block)
	if s.servers != "" {
		if kafka == nil {
			kafka = map[string]string{}
		}
		kafka["bootstrap.servers"] = s.servers
	}
	return c, kafka, nil
}

// seek sends a stopped connector where the flags say.
func (s *seeking) seek(ctx context.Context, name string) error {
	c, kafka, err := s.reach(ctx)
	if err != nil {
		return err
	}
	return s.changeOffsets(ctx, c.Client, name, func(ctx context.Context, _ *api.Client) (string, *api.ConnectorOffsets, error) {
		is, err := c.Client.Status(ctx, name)
		if err != nil {
			return "", nil, err
		}
		if is.Type != "sink" {
			return s.seekSource(ctx, c, name)
		}
		to, err := s.sinkOffsets(ctx, c, name, kafka)
		if err != nil {
			return "", nil, err
		}
		return alterTo(ctx, c, name, to)
	})
}

func alterTo(ctx context.Context, c *cluster, name string, to *api.ConnectorOffsets) (string, *api.ConnectorOffsets, error) {
	body, err := json.Marshal(to)
	if err != nil {
		return "", nil, fmt.Errorf("write offsets: %w", err)
	}
	said, err := c.AlterOffsets(ctx, name, body)
	return said, to, err
}

// seekSource sends a source where one can be sent whose system nobody knows here: to its beginning, which is to have no
// offsets, and to a number where its offsets are one.
func (s *seeking) seekSource(ctx context.Context, c *cluster, name string) (string, *api.ConnectorOffsets, error) {
	switch {
	case len(s.topics) > 0:
		return "", nil, refusal(diag.New(diag.Usage, diag.Place{}, "%s is a source, which has partitions of its own and no topics. Leave out -topic.", name))
	case s.earliest:
		said, err := c.ResetOffsets(ctx, name)
		return said, nil, err
	case s.offset == "":
		return "", nil, refusal(diag.New(diag.Usage, diag.Place{},
			"%s is a source: where its system ends, and where that was at a time, only the connector knows. It can go to its beginning (-to-earliest), to a number where its offsets are one (-to-offset), or wherever a file says:\n\n    engine offsets %[2]s -json > offsets.json\n    engine offsets set %[2]s offsets.json", name, word(name)))
	}
	number, err := s.number()
	if err != nil {
		return "", nil, err
	}
	to, err := c.Offsets(ctx, name)
	if err != nil {
		return "", nil, err
	}
	if len(to.Offsets) == 0 {
		return "", nil, refusal(diag.New(diag.Usage, diag.Place{}, "%s has no offsets yet, and so no partitions that could go somewhere.", name))
	}
	for i := range to.Offsets {
		var members map[string]json.Number
		if err := json.Unmarshal(to.Offsets[i].Offset, &members); err != nil || len(members) != 1 {
			return "", nil, refusal(diag.New(diag.Usage, diag.Place{}, "The offsets of %s are not a number each, as %s shows: %s. Set them from a file: engine offsets set %s FILE",
				name, to.Offsets[i].Partition, to.Offsets[i].Offset, word(name)))
		}
		for member := range members {
			members[member] = json.Number(strconv.FormatInt(number, 10))
		}
		if to.Offsets[i].Offset, err = json.Marshal(members); err != nil {
			return "", nil, fmt.Errorf("write an offset: %w", err)
		}
	}
	return alterTo(ctx, c, name, to)
}

func (s *seeking) number() (int64, error) {
	n, err := strconv.ParseInt(s.offset, 10, 64)
	if err != nil || n < 0 {
		return 0, refusal(diag.New(diag.Usage, diag.Place{}, "-to-offset is %q; it must be a number from 0.", s.offset))
	}
	return n, nil
}

// moment reads -to-time: a date and time, in UTC when it does not say where, or how long ago.
func (s *seeking) moment(now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(s.time); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.Parse(form, s.time); err == nil && at.UnixMilli() >= 0 {
			return at, nil
		}
	}
	return time.Time{}, refusal(diag.New(diag.Usage, diag.Place{}, "-to-time is %q; it must be such as 2026-11-20T14:02:00Z, 2026-11-20 (midnight in UTC) or 2h (two hours ago).", s.time))
}

// finder lists where a sink would go on that was sent to a time: milliseconds since the epoch, or one of the engine's marks.
type finder func(ctx context.Context, at int64) ([]sinkPlace, error)

// sinkPlace is a place in a partition.
type sinkPlace struct {
	topic     string
	partition int32
	offset    int64
}

// finder asks the worker, when it is one of ours and nobody names a Kafka, and else the cluster itself.
func (s *seeking) finder(c *cluster, name string, kafka map[string]string) (finder, error) {
	if !c.genuine() && s.servers == "" {
		return func(ctx context.Context, at int64) ([]sinkPlace, error) {
			word := map[int64]string{engine.Beginning: api.AtEarliest, engine.End: api.AtLatest}[at]
			if word == "" {
				word = strconv.FormatInt(at, 10)
			}
			found, err := c.OffsetsAt(ctx, name, word)
			if err != nil {
				return nil, err
			}
			list := make([]store.Offset, len(found.Offsets))
			for i, o := range found.Offsets {
				list[i] = store.Offset{Partition: o.Partition, Value: o.Offset}
			}
			return places(list)
		}, nil
	}
	if kafka["bootstrap.servers"] == "" {
		return nil, refusal(diag.New(diag.Usage, diag.Place{},
			"%s runs %s, which does not say where topics begin and end. Name its Kafka with -bootstrap-servers HOST:PORT, or with bootstrap_servers in a cluster block and -cluster NAME; or set offsets from a file.", c.URL(), c.kind()))
	}
	return func(ctx context.Context, at int64) ([]sinkPlace, error) {
		m, err := c.Config(ctx, name)
		if err != nil {
			return nil, err
		}
		list, err := engine.SinkOffsetsAt(ctx, kafka, slog.New(slog.DiscardHandler), m, at)
		if err != nil {
			return nil, err
		}
		return places(list)
	}, nil
}

// places reads offsets of a sink.
func places(list []store.Offset) ([]sinkPlace, error) {
	all := make([]sinkPlace, len(list))
	for i, o := range list {
		var partition struct {
			Topic     string `json:"kafka_topic"`
			Partition int32  `json:"kafka_partition"`
		}
		var offset struct {
			Offset int64 `json:"kafka_offset"`
		}
		if err := json.Unmarshal(o.Partition, &partition); err != nil {
			return nil, fmt.Errorf("read a partition: %w", err)
		}
		if err := json.Unmarshal(o.Value, &offset); err != nil {
			return nil, fmt.Errorf("read an offset: %w", err)
		}
		all[i] = sinkPlace{partition.Topic, partition.Partition, offset.Offset}
	}
	return all, nil
}

// sinkOffsets are the offsets to set, of the partitions that are wanted.
func (s *seeking) sinkOffsets(ctx context.Context, c *cluster, name string, kafka map[string]string) (*api.ConnectorOffsets, error) {
	find, err := s.finder(c, name, kafka)
	if err != nil {
		return nil, err
	}
	found, err := s.found(ctx, find)
	if err != nil {
		return nil, err
	}
	if found, err = s.chosen(name, found); err != nil {
		return nil, err
	}
	to := &api.ConnectorOffsets{}
	for _, p := range found {
		topic, err := json.Marshal(p.topic)
		if err != nil {
			return nil, fmt.Errorf("write the name of a topic: %w", err)
		}
		to.Offsets = append(to.Offsets, api.ConnectorOffset{
			Partition: fmt.Appendf(nil, `{"kafka_partition":%d,"kafka_topic":%s}`, p.partition, topic),
			Offset:    fmt.Appendf(nil, `{"kafka_offset":%d}`, p.offset),
		})
	}
	return to, nil
}

// found is where the flags lead in every partition. A number that a partition does not have becomes the nearest that it has.
func (s *seeking) found(ctx context.Context, find finder) ([]sinkPlace, error) {
	switch {
	case s.earliest:
		return find(ctx, engine.Beginning)
	case s.latest:
		return find(ctx, engine.End)
	case s.time != "":
		at, err := s.moment(time.Now())
		if err != nil {
			return nil, err
		}
		return find(ctx, at.UnixMilli())
	}
	number, err := s.number()
	if err != nil {
		return nil, err
	}
	first, err := find(ctx, engine.Beginning)
	if err != nil {
		return nil, err
	}
	last, err := find(ctx, engine.End)
	if err != nil {
		return nil, err
	}
	ends := map[sinkPlace]int64{}
	for _, p := range last {
		ends[sinkPlace{p.topic, p.partition, 0}] = p.offset
	}
	for i, p := range first {
		first[i].offset = max(p.offset, min(number, ends[sinkPlace{p.topic, p.partition, 0}]))
	}
	return first, nil
}

// chosen leaves those of -topic.
func (s *seeking) chosen(name string, all []sinkPlace) ([]sinkPlace, error) {
	if len(all) == 0 {
		return nil, refusal(diag.New(diag.Usage, diag.Place{}, "No topic is there that %s reads.", name))
	}
	if len(s.topics) == 0 {
		return all, nil
	}
	wanted := map[sinkPlace]bool{}
	for _, text := range s.topics {
		topic, numbers, some := cutLast(text, ':')
		of := slices.DeleteFunc(slices.Clone(all), func(p sinkPlace) bool { return p.topic != topic })
		if len(of) == 0 {
			return nil, refusal(diag.New(diag.Usage, diag.Place{}, "%s reads no topic %q.%s", name, topic, diag.DidYouMean(topic, topicsOf(all))))
		}
		if !some {
			for _, p := range of {
				wanted[p] = true
			}
			continue
		}
		for number := range strings.SplitSeq(numbers, ",") {
			i := slices.IndexFunc(of, func(p sinkPlace) bool { return strconv.Itoa(int(p.partition)) == strings.TrimSpace(number) })
			if i < 0 {
				return nil, refusal(diag.New(diag.Usage, diag.Place{}, "Topic %q has no partition %q; its %s are numbered from 0.", topic, number, count(len(of), "partition")))
			}
			wanted[of[i]] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(p sinkPlace) bool { return !wanted[p] }), nil
}

func topicsOf(all []sinkPlace) []string {
	var names []string
	for _, p := range all {
		names = append(names, p.topic)
	}
	return slices.Compact(names)
}

// cutLast is strings.Cut at the last of a byte.
func cutLast(text string, at byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(text, at); i >= 0 {
		return text[:i], text[i+1:], true
	}
	return text, "", false
}

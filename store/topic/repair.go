package topic

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// repair writes again what is committed of every key of Kafka Connect whose newest record was aborted, or a tombstone: a
// worker of Kafka Connect reads uncommitted records by default and would act on it (rule 4 of D2). Since each commit ends
// with a head, and comes after the repair of its claim, what comes before the newest head was repaired.
func (s *Store) repair(ctx context.Context, c *claim) error {
	ends, err := s.configs.end(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	from := s.state.headOffset
	s.mu.Unlock()
	aborted, err := s.aborted(ctx, from, ends[0])
	if err != nil || len(aborted) == 0 {
		return err
	}
	committed, err := s.scan(ctx, 0, ends[0], kgo.ReadCommitted())
	if err != nil {
		return err
	}
	s.settings.Logger.Warn("an earlier leader left changes unfinished; the state before is written again", "keys", len(aborted))
	records := rewrite(aborted, committed)
	return s.transaction(ctx, c, records)
}

// aborted are the keys of Kafka Connect whose newest record in a part of the log was aborted.
func (s *Store) aborted(ctx context.Context, from, end int64) ([]string, error) {
	all, err := s.scan(ctx, from, end, kgo.ReadUncommitted())
	if err != nil {
		return nil, err
	}
	committed, err := s.scan(ctx, from, end, kgo.ReadCommitted())
	if err != nil {
		return nil, err
	}
	var keys []string
	for key, r := range all {
		if c := committed[key]; (c == nil || c.Offset < r.Offset) && isConnects(key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// isConnects reports whether a key is one that Kafka Connect acts on.
func isConnects(key string) bool {
	if key == sessionKey {
		return true
	}
	return slices.ContainsFunc([]string{targetPrefix, connectorPrefix, taskPrefix, commitPrefix, restartPrefix, fencingPrefix, loggerPrefix},
		func(p string) bool { return strings.HasPrefix(key, p) })
}

// scan reads a part of the log and returns the newest record of each key.
func (s *Store) scan(ctx context.Context, from, end int64, isolation kgo.IsolationLevel) (map[string]*kgo.Record, error) {
	newest := map[string]*kgo.Record{}
	p := passage{
		topic: s.configs.topic, client: s.settings.Client, id: s.clientID("scan"), asker: s.writer, logger: s.settings.Logger, isolation: isolation,
		take: func(r *kgo.Record) error {
			newest[string(r.Key)] = r
			return nil
		},
	}
	return newest, p.read(ctx, from, end)
}

// rewrite makes the records of a repair. A task set counts only as a whole and after its configuration, so of a connector
// of whose configuration or tasks something was aborted all is written again.
func rewrite(aborted []string, committed map[string]*kgo.Record) []*kgo.Record {
	sets := map[string]bool{}
	var records []*kgo.Record
	for _, key := range aborted {
		if name, ok := setOf(key); ok {
			sets[name] = true
		}
		if !strings.HasPrefix(key, commitPrefix) && !strings.HasPrefix(key, taskPrefix) {
			records = append(records, again(key, committed[key]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		records = append(records, rewriteTasks(name, aborted, committed)...)
	}
	return records
}

// setOf is the connector whose task set a record belongs to, or outdates.
func setOf(key string) (string, bool) {
	if name, ok := strings.CutPrefix(key, connectorPrefix); ok {
		return name, true
	}
	if name, ok := strings.CutPrefix(key, commitPrefix); ok {
		return name, true
	}
	if rest, ok := strings.CutPrefix(key, taskPrefix); ok {
		name, _, ok := taskKey(rest)
		return name, ok
	}
	return "", false
}

// rewriteTasks writes the committed task set of a connector, or tombstones for what was aborted of one.
func rewriteTasks(name string, aborted []string, committed map[string]*kgo.Record) []*kgo.Record {
	st := newState("")
	for key, r := range committed {
		if of, ok := setOf(key); ok && of == name {
			st.apply(r) //nolint:errcheck // what cannot be read is no set
		}
	}
	var tasks []config.Map
	var madeOf store.Revision
	c := st.connectors[name]
	if c != nil && c.config != nil {
		tasks, madeOf = c.tasksOf()
	}
	var records []*kgo.Record
	if tasks == nil {
		for _, key := range aborted {
			if of, ok := setOf(key); ok && of == name && !strings.HasPrefix(key, connectorPrefix) {
				records = append(records, again(key, nil))
			}
		}
		return records
	}
	for i := range tasks {
		key := taskPrefix + name + "-" + strconv.Itoa(i)
		records = append(records, again(key, committed[key]))
	}
	commit := again(commitPrefix+name, committed[commitPrefix+name])
	commit.Headers = slices.DeleteFunc(commit.Headers, func(h kgo.RecordHeader) bool { return h.Key == forHeader || h.Key == incarnationHeader })
	commit.Headers = append(commit.Headers, revisionOf(forHeader, madeOf), revisionOf(incarnationHeader, c.config.incarnation))
	return append(records, commit)
}

// again makes a record with the value and the headers of another, nil being none. The headers say what its offset said, so
// that it means the same.
func again(key string, r *kgo.Record) *kgo.Record {
	if r == nil {
		return &kgo.Record{Key: []byte(key)}
	}
	headers := slices.Clone(r.Headers)
	if _, ok := revisionIn(r, revisionHeader); !ok && r.Value != nil {
		headers = append(headers, revisionOf(revisionHeader, store.Revision(r.Offset+1)))
	}
	return &kgo.Record{Key: []byte(key), Value: r.Value, Headers: headers}
}

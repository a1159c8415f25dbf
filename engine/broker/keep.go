package broker

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// keeper holds topics to their sizes.
type keeper struct {
	b         *Broker
	warned    map[string]bool  // topics near their limit, until they are well below it
	compacted map[string]int64 // bytes of a compacted topic after it was last compacted

	waiting bool        // a compaction is due and waits for a request
	done    atomic.Bool // it has been tried
}

// keep looks at the sizes of topics until the broker stops.
func (b *Broker) keep() {
	k := keeper{b: b, warned: map[string]bool{}, compacted: map[string]int64{}}
	tick := time.NewTicker(b.settings.interval)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.ask(func() { k.look(time.Now()) })
		}
	}
}

func (k *keeper) look(now time.Time) {
	names, err := stored(k.b.folder.data)
	if err != nil {
		k.b.log.Warn("development broker: cannot list the topics that have data", "error", err)
		return
	}
	fresh, compact := k.done.Swap(false), false
	k.waiting = k.waiting && !fresh
	for _, name := range names {
		info := k.b.cluster.TopicInfo(name)
		if info == nil {
			continue // deleted since
		}
		t := topic{name: name, config: info.Configs, partitions: k.b.cluster.PartitionInfos(name)}
		k.warn(&t)
		if t.compacts() {
			if fresh {
				k.compacted[name] = t.bytes()
			}
			// Kafka: min.cleanable.dirty.ratio, half of the log. A megabyte is not worth it.
			compact = compact || t.bytes() > 1<<20+2*k.compacted[name]
		}
		if t.deletes() {
			k.expire(&t, now)
			k.trim(&t)
		}
	}
	if compact && !k.waiting {
		k.compact()
	}
}

// topic is what the keeper knows of a topic.
type topic struct {
	name       string
	config     map[string]*string
	partitions []*kfake.PartitionInfo
}

func (t *topic) bytes() (n int64) {
	for _, p := range t.partitions {
		n += p.NumBytes
	}
	return n
}

func (t *topic) policy() string {
	if p := t.config["cleanup.policy"]; p != nil {
		return *p
	}
	return "delete"
}

func (t *topic) compacts() bool { return strings.Contains(t.policy(), "compact") }
func (t *topic) deletes() bool  { return strings.Contains(t.policy(), "delete") }

// number reads a setting that counts something; -1 and what is not a number are "no limit".
func (t *topic) number(name string) int64 {
	if text := t.config[name]; text != nil {
		if n, err := strconv.ParseInt(*text, 10, 64); err == nil {
			return n
		}
	}
	return -1
}

// warn says once that a topic comes near its limit. A topic that is only compacted has none that is enforced, since its
// records are the newest of their keys.
func (k *keeper) warn(t *topic) {
	limit, bytes := k.b.settings.topicBytes, t.bytes()
	switch {
	case bytes < limit/100*70:
		delete(k.warned, t.name)
	case bytes >= limit/100*80 && !k.warned[t.name]:
		k.warned[t.name] = true
		consequence := "its oldest records are deleted when it reaches the limit"
		if !t.deletes() {
			consequence = "it is compacted, so nothing is deleted; delete what is not needed"
		}
		k.b.log.Warn("development broker: a topic is at 80 % of what this broker keeps", "consequence", consequence, "topic", t.name, "bytes", bytes, "limit", limit)
	}
}

// trim deletes the oldest records of a topic beyond its limits: this broker's of the whole topic, and retention.bytes of
// each partition.
func (k *keeper) trim(t *topic) {
	excess, all := t.bytes()-k.b.settings.topicBytes, t.bytes()
	own := t.number("retention.bytes")
	for _, p := range t.partitions {
		cut := int64(0)
		if excess > 0 {
			cut = int64(float64(excess) * float64(p.NumBytes) / float64(all))
		}
		if own >= 0 {
			cut = max(cut, p.NumBytes-own)
		}
		if cut <= 0 {
			continue
		}
		records := p.HighWatermark - p.LogStartOffset // about evenly long
		k.delete(t, p, p.LogStartOffset+max(int64(float64(records)*float64(cut)/float64(p.NumBytes)), 1))
	}
}

// expire deletes what a partition holds once its newest record is older than the topic's retention.ms. Kafka does it a
// segment at a time, and not before a segment is closed.
func (k *keeper) expire(t *topic, now time.Time) {
	keep := t.number("retention.ms")
	for _, p := range t.partitions {
		if keep >= 0 && p.NumBytes > 0 && now.UnixMilli()-p.MaxTimestamp > keep {
			k.delete(t, p, p.HighWatermark)
		}
	}
}

// delete deletes records before an offset, but never the newest one, see deleteRecords.
func (k *keeper) delete(t *topic, p *kfake.PartitionInfo, before int64) {
	before = min(before, p.HighWatermark-1)
	if before <= p.LogStartOffset {
		return
	}
	if err := k.b.cluster.DeleteRecords(t.name, p.Partition, before); err != nil {
		k.b.log.Warn("development broker: cannot delete the oldest records of a topic", "topic", t.name, "partition", p.Partition, "error", err)
	}
}

// compact compacts all compacted topics before the next request is answered. kfake writes a partition anew in place, so
// that a process killed meanwhile would lose it; therefore it is done under a backup, and inside a request, where nothing
// can be written beside it. Without a request there is nothing to compact.
func (k *keeper) compact() {
	b := k.b
	k.waiting = true
	b.cluster.ControlKey(-1, func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.DropControl()
		b.ask(func() {
			chosen := func(topic string) bool { return compacts(b.cluster, topic) }
			if err := b.folder.protect(chosen, b.cluster.Compact); err != nil {
				b.log.Warn("development broker: topics were not compacted", "error", err)
			}
		})
		k.done.Store(true)
		return nil, nil, false
	})
}

func compacts(c *kfake.Cluster, name string) bool {
	info := c.TopicInfo(name)
	if info == nil {
		return false
	}
	t := topic{config: info.Configs}
	return t.compacts()
}

// partitionsDir is where kfake keeps the partitions that were ever written to, each a folder <escaped topic>-<number>.
func partitionsDir(data string) string { return filepath.Join(data, "partitions") }

// stored lists the topics that have data.
func stored(data string) ([]string, error) {
	entries, err := os.ReadDir(partitionsDir(data))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries { // sorted, so the partitions of a topic are neighbours
		name, ok := topicOf(e.Name())
		if ok && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	return names, nil
}

func topicOf(folder string) (string, bool) {
	i := strings.LastIndexByte(folder, '-')
	if i < 0 {
		return "", false
	}
	name, err := url.PathUnescape(folder[:i])
	return name, err == nil
}

func (f *folder) compacting() string { return filepath.Join(f.dir, "compacting") }

// protect runs rewrite, which may be killed while it writes the partitions of the topics chosen anew. Until it is done
// the folder has them as they were, by hard links; [folder.restore] takes them back.
func (f *folder) protect(chosen func(topic string) bool, rewrite func()) error {
	backup, making := f.compacting(), f.compacting()+".tmp"
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := f.link(making, chosen); err != nil {
		return errors.Join(err, os.RemoveAll(making))
	}
	if err := os.Rename(making, backup); err != nil {
		return err
	}
	if err := syncDir(f.dir); err != nil {
		return err
	}
	rewrite()
	if err := os.Rename(backup, making); err != nil { // in one step: half of a backup is worse than none
		return err
	}
	return os.RemoveAll(making)
}

func (f *folder) link(to string, chosen func(topic string) bool) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	partitions, err := os.ReadDir(partitionsDir(f.data))
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if name, ok := topicOf(p.Name()); !ok || !chosen(name) {
			continue
		}
		from, into := filepath.Join(partitionsDir(f.data), p.Name()), filepath.Join(to, p.Name())
		files, err := os.ReadDir(from)
		if err != nil {
			return err
		}
		if err := os.Mkdir(into, 0o755); err != nil {
			return err
		}
		for _, file := range files {
			if err := os.Link(filepath.Join(from, file.Name()), filepath.Join(into, file.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// restore takes back the partitions of a compaction that was interrupted. It may itself be interrupted anywhere.
func (f *folder) restore(log *slog.Logger) error {
	backup := f.compacting()
	partitions, err := os.ReadDir(backup)
	if errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(backup + ".tmp")
	}
	if err != nil {
		return err
	}
	for _, p := range partitions {
		original := filepath.Join(partitionsDir(f.data), p.Name())
		if err := os.RemoveAll(original); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(backup, p.Name()), original); err != nil {
			return err
		}
	}
	log.Info("development broker: a compaction was interrupted and has been undone", "partitions", len(partitions))
	return os.RemoveAll(backup)
}

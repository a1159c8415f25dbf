package file

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// format is the version of what this file describes. A file of another one is refused, not guessed at.
const format = 1

// The buckets and their keys. Every value is a checksum, see [seal], followed by JSON or, of an offset, by its bytes.
//
//	head        "head"                        head
//	connectors  name                          connector
//	plan        "plan"                        plan
//	offsets     instance, 0, partition        the offset
var (
	headBucket       = []byte("head")       //nolint:gochecknoglobals // literals
	connectorsBucket = []byte("connectors") //nolint:gochecknoglobals // literals
	planBucket       = []byte("plan")       //nolint:gochecknoglobals // literals
	offsetsBucket    = []byte("offsets")    //nolint:gochecknoglobals // literals
	headKey          = []byte("head")       //nolint:gochecknoglobals // literals
	planKey          = []byte("plan")       //nolint:gochecknoglobals // literals
)

// head is what is known of the file as a whole. It changes with every transaction.
type head struct {
	Format   int
	Revision store.Revision
	Writes   uint64 // transactions so far
	tally
}

// tally stands for all entries but the head. Since bbolt has no checksums of its own, it is what notices that a page was
// lost, or is an older one.
type tally struct {
	Entries int
	Sum     uint64 // of the entries' checksums
}

func (t *tally) add(sealed []byte) {
	t.Entries++
	t.Sum += uint64(binary.BigEndian.Uint32(sealed))
}

// remove takes back add; nil is no entry.
func (t *tally) remove(sealed []byte) {
	if sealed != nil {
		t.Entries--
		t.Sum -= uint64(binary.BigEndian.Uint32(sealed))
	}
}

// seal puts a checksum of everything that makes an entry in front of its payload.
func seal(bucket, key, payload []byte) []byte {
	sealed := make([]byte, 4, 4+len(payload))
	binary.BigEndian.PutUint32(sealed, checksum(bucket, key, payload))
	return append(sealed, payload...)
}

// unseal returns the payload, which belongs to the transaction.
func unseal(bucket, key, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 {
		return nil, fmt.Errorf("%s: an entry of %d bytes", bucket, len(sealed))
	}
	payload := sealed[4:]
	if binary.BigEndian.Uint32(sealed) != checksum(bucket, key, payload) {
		return nil, fmt.Errorf("%s: the checksum of an entry is wrong", bucket)
	}
	return payload, nil
}

func checksum(parts ...[]byte) uint32 {
	var sum uint32
	table := crc32.MakeTable(crc32.Castagnoli)
	for _, p := range parts {
		sum = crc32.Update(sum, table, binary.AppendUvarint(nil, uint64(len(p))))
		sum = crc32.Update(sum, table, p)
	}
	return sum
}

// connector is store.Connector as the file holds it.
type connector struct {
	Config      config.Map            `json:"config"`
	Revision    store.Revision        `json:"revision"`
	Incarnation store.Revision        `json:"incarnation"`
	Target      config.Target         `json:"target,omitempty"`
	Tasks       []config.Map          `json:"tasks"` // null: not yet
	TasksFor    store.Revision        `json:"tasks_for,omitempty"`
	Restarts    int                   `json:"restarts,omitempty"`
	TaskRestart map[int]int           `json:"task_restarts,omitempty"`
	TaskTarget  map[int]config.Target `json:"task_targets,omitempty"`
	Mark        store.Mark            `json:"mark,omitzero"`
	Marked      store.Revision        `json:"marked,omitempty"`
	Hold        store.Hold            `json:"hold,omitzero"`
}

func fromConnector(c store.Connector) connector {
	return connector{c.Config, c.Revision, c.Incarnation, c.Target, c.Tasks, c.TasksFor, c.Restarts, c.TaskRestart, c.TaskTarget, c.Mark, c.Marked, c.Hold}
}

func (c connector) named(name string) store.Connector {
	return store.Connector{
		Name: name, Config: c.Config, Revision: c.Revision, Incarnation: c.Incarnation, Target: c.Target,
		Tasks: c.Tasks, TasksFor: c.TasksFor, Restarts: c.Restarts, TaskRestart: c.TaskRestart, TaskTarget: c.TaskTarget, Mark: c.Mark, Marked: c.Marked, Hold: c.Hold,
	}
}

// plan is store.Plan as the file holds it.
type plan struct {
	Epoch      int64             `json:"epoch"`
	Members    []string          `json:"members"`
	Addresses  map[string]string `json:"addresses,omitempty"`
	Placements []placement       `json:"placements"`
}

type placement struct {
	Connector string `json:"c"`
	Task      int    `json:"t"`
	Member    string `json:"m"`
	Epoch     int64  `json:"e"`
	Follows   string `json:"f,omitempty"`
	Leaving   bool   `json:"l,omitempty"`
}

func fromPlan(p store.Plan) plan {
	to := plan{p.Epoch, p.Members, p.Addresses, make([]placement, len(p.Placements))}
	for i, pl := range p.Placements {
		to.Placements[i] = placement(pl)
	}
	return to
}

func (p plan) stored() store.Plan {
	to := store.Plan{Epoch: p.Epoch, Members: p.Members, Addresses: p.Addresses}
	for _, pl := range p.Placements {
		to.Placements = append(to.Placements, store.Placement(pl))
	}
	return to
}

// kept is everything that a file holds.
type kept struct {
	head     head
	snapshot *store.Snapshot
	offsets  []store.InstanceOffset
}

// read reads and checks everything. What it returns does not refer to the transaction.
func read(tx *bbolt.Tx) (kept, error) {
	k := kept{snapshot: &store.Snapshot{Connectors: map[string]store.Connector{}}}
	if err := readHead(tx, &k.head); err != nil {
		return k, err
	}
	k.snapshot.Revision = k.head.Revision
	var found tally
	for _, part := range []struct {
		bucket []byte
		entry  func(key, payload []byte) error
	}{{connectorsBucket, k.readConnector}, {planBucket, k.readPlan}, {offsetsBucket, k.readOffset}} {
		b := tx.Bucket(part.bucket)
		if b == nil {
			return k, fmt.Errorf("%s: missing", part.bucket)
		}
		err := b.ForEach(func(key, sealed []byte) error {
			payload, err := unseal(part.bucket, key, sealed)
			if err != nil {
				return err
			}
			found.add(sealed)
			return part.entry(key, payload)
		})
		if err != nil {
			return k, err
		}
	}
	if found != k.head.tally {
		return k, fmt.Errorf("%d entries of a sum of %d, where there were %d of %d", found.Entries, found.Sum, k.head.Entries, k.head.Sum)
	}
	return k, nil
}

func readHead(tx *bbolt.Tx, h *head) error {
	b := tx.Bucket(headBucket)
	if b == nil {
		return errors.New("head: missing")
	}
	payload, err := unseal(headBucket, headKey, b.Get(headKey))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, h); err != nil {
		return fmt.Errorf("head: %w", err)
	}
	if h.Format != format {
		return fmt.Errorf("%w: it has format %d, and this version knows format %d only", store.ErrVersion, h.Format, format)
	}
	return nil
}

func (k *kept) readConnector(key, payload []byte) error {
	var c connector
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("connector: %w", err)
	}
	name := string(key)
	k.snapshot.Connectors[name] = c.named(name)
	return nil
}

func (k *kept) readPlan(_, payload []byte) error {
	var p plan
	if err := json.Unmarshal(payload, &p); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	k.snapshot.Plan = p.stored()
	return nil
}

func (k *kept) readOffset(key, payload []byte) error {
	instance, partition, ok := bytes.Cut(key, []byte{0})
	if !ok {
		return errors.New("offsets: a key without an instance")
	}
	k.offsets = append(k.offsets, store.InstanceOffset{
		Instance: string(instance),
		Offset:   store.Offset{Partition: bytes.Clone(partition), Value: append([]byte{}, payload...)},
	})
	return nil
}

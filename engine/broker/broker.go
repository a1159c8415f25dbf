package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/internal/kafka"
)

// DefaultAddress is where `engine broker` listens: Kafka's own port.
const DefaultAddress = "127.0.0.1:9092"

// kfakeVersion is the version of kfake in go.mod, part of the format of the data: another one may read it differently.
const kfakeVersion = "v0.0.0-20260918054303-01f206a7e32c"

// Settings say where a broker keeps its data and where it listens.
type Settings struct {
	Dir    string       // made when it is missing; belongs to this broker alone
	Addr   string       // loopback host:port; "" or port 0 is a free port that the folder remembers for the next start
	Topics []Topic      // made at the start unless they exist
	Logger *slog.Logger // nil discards

	topicBytes int64                                           // most bytes of a topic; 0 is a gigabyte
	interval   time.Duration                                   // between two looks at the sizes of topics; 0 is five seconds
	space      func(dir string) (free, total int64, err error) // nil asks the file system
}

// Topic is a topic to make.
type Topic struct {
	Name       string
	Partitions int32             // 0 is 1
	Config     map[string]string // as Kafka's topic configurations
}

// Broker is a running development broker.
type Broker struct {
	settings Settings
	log      *slog.Logger
	folder   *folder
	listener *listener
	disk     *disk
	cluster  *kfake.Cluster

	stop chan struct{} // closed to end the keeper
	wait sync.WaitGroup

	// gate is held shared while something asks the cluster, which would never answer once it is closed.
	gate   sync.RWMutex
	closed bool
}

// Start starts a broker and returns when clients can reach it. Errors are diagnostics: [diag.Usage] for an address that is
// not loopback, [diag.DataInUse], [diag.AddressInUse], [diag.Unreadable], [diag.DamagedState], [diag.BrokerRefused] for a
// topic that cannot be made. Nothing is left running after an error.
func Start(s Settings) (*Broker, error) {
	s = s.withDefaults()
	host, port, err := loopback(s.Addr)
	if err != nil {
		return nil, err
	}
	f, err := openFolder(s.Dir, s.Logger)
	if err != nil {
		return nil, err
	}
	b := &Broker{settings: s, log: s.Logger, folder: f, stop: make(chan struct{})}
	b.disk = &disk{dir: f.data, log: s.Logger, space: s.space}
	if err := b.open(host, port); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (s Settings) withDefaults() Settings {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.topicBytes == 0 {
		s.topicBytes = 1 << 30
	}
	if s.interval == 0 {
		s.interval = 5 * time.Second
	}
	if s.space == nil {
		s.space = space
	}
	return s
}

func (b *Broker) open(host string, port int) error {
	l, err := listen(host, port, b.folder, b.log)
	if err != nil {
		return err
	}
	b.listener = l
	b.cluster, err = kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ListenFn(l.forCluster),
		kfake.ClusterID(kafka.DevelopmentCluster),
		kfake.DataDir(b.folder.data),
		kfake.SyncWrites(),
		kfake.DefaultNumPartitions(1),
		kfake.BrokerConfigs(brokerConfigs()),
		kfake.WithLogger(logger{b.log, b.disk}),
	)
	if err != nil {
		d := diag.New(diag.DamagedState, diag.Place{}, "The data of the development broker in %s cannot be read: %s.\n\n"+
			"Nothing was changed. Move the folder away to start with an empty broker.", b.folder.data, err)
		return &d
	}
	b.hook()
	for _, topic := range b.settings.Topics {
		if err := b.make(topic); err != nil {
			return err
		}
	}
	b.wait.Go(b.keep)
	l.open() // clients that connected before wait in the system's queue
	return nil
}

// brokerConfigs keeps kfake from deleting or compacting by itself: it would do so by age where Kafka compacts, empty
// partitions whose end it then forgets, and lose a partition when killed while compacting. The keeper does it instead.
// Small segments are given back to the disk soon.
func brokerConfigs() map[string]string {
	const never = "3000000000000" // a century in milliseconds
	return map[string]string{
		"log.cleaner.backoff.ms":     never,
		"log.retention.ms":           "-1",
		"log.retention.bytes":        "-1",
		"log.segment.bytes":          "16777216",
		"default.replication.factor": "1",
	}
}

func (b *Broker) make(t Topic) error {
	err := b.cluster.CreateTopic(t.Name, max(t.Partitions, 1), t.Config)
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	d := diag.New(diag.BrokerRefused, diag.Place{}, "Topic %q cannot be made in the development broker: %s.", t.Name, err)
	return &d
}

// Addr is the host:port for bootstrap.servers.
func (b *Broker) Addr() string { return b.listener.Addr().String() }

// Close ends the broker and writes what it needs for a quick start. Clients lose their connections. It may be called more
// than once.
func (b *Broker) Close() error {
	b.gate.Lock()
	again := b.closed
	b.closed = true
	b.gate.Unlock()
	if again {
		return nil
	}
	close(b.stop)
	b.wait.Wait()
	if b.cluster != nil {
		b.cluster.Close()
	}
	if b.listener != nil {
		b.listener.shut()
	}
	if err := b.folder.close(); err != nil {
		return fmt.Errorf("close the development broker: %w", err)
	}
	return nil
}

// ask runs f, which may ask the cluster, unless the broker is closing.
func (b *Broker) ask(f func()) {
	b.gate.RLock()
	defer b.gate.RUnlock()
	if !b.closed {
		f()
	}
}

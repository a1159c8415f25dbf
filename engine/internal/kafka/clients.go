// Package kafka makes the clients with which the engine talks to Kafka from settings in Kafka's own spelling, so that what
// works in producer.override.*, consumer.* or a worker file of Kafka Connect works here.
//
// Start at [Clients]. The one table of what is translated, what may be ignored and what is refused is in properties.go;
// a property that is in none of the three is refused (invariant 9).
package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/plugin"
)

// Role says for what a client is used. It is a set of bits, so that a property can belong to several.
type Role uint8

// The roles of clients.
const (
	Producer Role = 1 << iota
	Consumer
	Admin

	everyRole = Producer | Consumer | Admin
)

func (r Role) String() string {
	switch r {
	case Producer:
		return "producer"
	case Consumer:
		return "consumer"
	case Admin:
		return "admin client"
	case everyRole:
	}
	return "client"
}

// Clients is what a worker's configuration says of its clients, in Kafka's spelling and without prefixes. Of one client
// the settings are, each level over the one before: the defaults of Kafka Connect for such a client, Base, the map of
// its role, and the overrides of a connector. It is not changed while in use, and clients share nothing.
type Clients struct {
	Base     map[string]string // bootstrap.servers and what concerns every connection
	Producer map[string]string
	Consumer map[string]string
	Admin    map[string]string

	// Dial makes connections instead of the network; nil is the network. The timeout of
	// socket.connection.setup.timeout.ms is on ctx.
	Dial func(ctx context.Context, network, host string) (net.Conn, error)

	// Proved remembers what Verify has found to be right, for all that share it; nil: nothing does.
	Proved *Proofs

	// Logger hears which properties were ignored (debug) and the library's warnings; nil discards both.
	Logger *slog.Logger
}

// ProducerClient makes the client of a producer. Unless a setting says otherwise it is idempotent with acks=all, retries
// for ever what may be retried, lingers for 5 ms and sends uncompressed batches of up to 1 MB (Kafka Connect:
// Worker.baseProducerConfigs, but idempotent). A record with Partition >= 0 goes there; -1 leaves the choice to the
// partitioner. clientID yields to client.id. extra is applied last.
//
// Errors are *[plugin.ConfigError], one or joined, each naming its property; nothing is connected yet, but
// the files that security settings name are read.
func (c *Clients) ProducerClient(override map[string]string, clientID string, extra ...kgo.Opt) (*kgo.Client, error) {
	s, err := c.settings(Producer, override, clientID, "")
	if err != nil {
		return nil, err
	}
	return s.client(c.Dial, s.produce(), extra)
}

// ConsumerClient makes the client of a consumer that never commits by itself. It joins the group named here, or by
// group.id; with neither it consumes what extra says. It starts at the earliest offset (Kafka Connect:
// Worker.baseConsumerConfigs). How many records a poll returns is for the caller to bound, see [Clients.Poll].
func (c *Clients) ConsumerClient(override map[string]string, clientID, group string, extra ...kgo.Opt) (*kgo.Client, error) {
	s, err := c.settings(Consumer, override, clientID, group)
	if err != nil {
		return nil, err
	}
	return s.client(c.Dial, s.consume(), extra)
}

// AdminClient makes a client for requests that neither produce nor consume.
func (c *Clients) AdminClient(override map[string]string, clientID string, extra ...kgo.Opt) (*kgo.Client, error) {
	s, err := c.settings(Admin, override, clientID, "")
	if err != nil {
		return nil, err
	}
	return s.client(c.Dial, s.administer(), extra)
}

// Maker makes clients for what the engine itself keeps in a cluster; options go last.
type Maker func(clientID string, options ...kgo.Opt) (*kgo.Client, error)

// Own makes clients of Base alone: what a worker says of its connectors' clients does not concern its own.
func (c *Clients) Own() Maker {
	own := Clients{Base: c.Base, Dial: c.Dial, Logger: c.Logger}
	return func(clientID string, options ...kgo.Opt) (*kgo.Client, error) {
		return own.AdminClient(nil, clientID, options...)
	}
}

// Proofs are settings that make a client, so that a thousand pipelines with the same ones are proved once: it costs nearly
// as much as a client does. Digests stand for them. The zero value is ready; it is safe for concurrent use.
type Proofs struct{ known sync.Map }

// Verify returns the error that making a producer or an admin client with the same arguments would, and makes none.
func (c *Clients) Verify(role Role, override map[string]string) error {
	if c.Proved == nil {
		return c.verify(role, override)
	}
	own := c.Admin
	if role == Producer {
		own = c.Producer
	}
	id := digest(byte(role), c.Base, own, override)
	if _, ok := c.Proved.known.Load(id); ok {
		return nil
	}
	err := c.verify(role, override)
	if err == nil {
		c.Proved.known.Store(id, true)
	}
	return err
}

// digest stands for maps of settings.
func digest(role byte, maps ...map[string]string) [sha256.Size]byte {
	text := []byte{role}
	for _, m := range maps {
		keys := make([]string, 0, len(m))
		for k := range m {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		text = binary.AppendUvarint(text, uint64(len(keys)))
		for _, k := range keys {
			for _, s := range []string{k, m[k]} {
				text = binary.AppendUvarint(text, uint64(len(s)))
				text = append(text, s...)
			}
		}
	}
	return sha256.Sum256(text)
}

func (c *Clients) verify(role Role, override map[string]string) error {
	s, err := c.settings(role, override, "", "")
	if err != nil {
		return err
	}
	opts, err := s.connection(c.Dial)
	if err != nil {
		return err
	}
	if role == Producer {
		opts = append(opts, s.produce()...)
	} else {
		opts = append(opts, s.administer()...)
	}
	if err := kgo.ValidateOpts(opts...); err != nil {
		return contradiction(err)
	}
	return nil
}

// Poll is what the settings of a consumer ask of the loop that polls it.
type Poll struct {
	Records  int           // most records of one poll
	Interval time.Duration // longest time between two polls; the client uses it as the group's rebalance timeout
}

// Poll reads max.poll.records and max.poll.interval.ms with the precedence of [Clients.ConsumerClient].
func (c *Clients) Poll(override map[string]string) (Poll, error) {
	s, err := c.settings(Consumer, override, "", "")
	if err != nil {
		return Poll{}, err
	}
	return Poll{int(s.pollRecords), s.pollInterval}, nil
}

// Group is the consumer group that [Clients.ConsumerClient] joins with the same arguments.
func (c *Clients) Group(override map[string]string, group string) (string, error) {
	s, err := c.settings(Consumer, override, "", group)
	if err != nil {
		return "", err
	}
	return s.group, nil
}

// Check says what is wrong with the settings of clients of one role, as [Clients.ProducerClient] and its like would, with
// keys as they stand in the maps. It opens no file and needs no bootstrap.servers.
func (c *Clients) Check(role Role, override map[string]string) []*plugin.ConfigError {
	with := *c
	if _, ok := c.Base["bootstrap.servers"]; !ok {
		with.Base = maps.Clone(c.Base)
		if with.Base == nil {
			with.Base = map[string]string{}
		}
		with.Base["bootstrap.servers"] = "localhost:9092"
	}
	_, err := with.settings(role, override, "", "")
	return configErrors(err)
}

// configErrors takes a joined error apart.
func configErrors(err error) []*plugin.ConfigError {
	if list, ok := err.(interface{ Unwrap() []error }); ok { // errors.Join, made in this package
		var all []*plugin.ConfigError
		for _, e := range list.Unwrap() {
			if c, ok := errors.AsType[*plugin.ConfigError](e); ok {
				all = append(all, c)
			}
		}
		return all
	}
	if c, ok := errors.AsType[*plugin.ConfigError](err); ok {
		return []*plugin.ConfigError{c}
	}
	return nil
}

func (c *Clients) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}

func (c *Clients) settings(role Role, override map[string]string, clientID, group string) (*settings, error) {
	level := map[Role]map[string]string{Producer: c.Producer, Consumer: c.Consumer, Admin: c.Admin}[role]
	given := maps.Clone(c.Base)
	if given == nil {
		given = map[string]string{}
	}
	maps.DeleteFunc(given, func(key, _ string) bool { return foreign(key, role) })
	maps.Copy(given, level)
	maps.Copy(given, override)

	s := newSettings(given, c.logger())
	s.clientID, s.group = clientID, group
	return s, s.read(role)
}

// foreign reports whether a property of Base is known and concerns clients of other roles only.
func foreign(key string, role Role) bool {
	r, ok := lookup(key)
	return ok && r.roles&role == 0
}

// client makes a client of the options for its role; extra goes last.
func (s *settings) client(dial dialer, role, extra []kgo.Opt) (*kgo.Client, error) {
	opts, err := s.connection(dial)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(slices.Concat(opts, role, extra)...)
	if err != nil {
		return nil, contradiction(err)
	}
	return client, nil
}

// contradiction is the error of options that do not go together: the table checks single values; what is left are pairs,
// which the library names in words.
func contradiction(err error) error {
	return &plugin.ConfigError{Reason: "The client settings contradict each other: " + err.Error()}
}

// sortedKeys makes the order of messages stable.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

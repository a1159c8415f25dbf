// Command broker is the broker of the benchmark: Kafka as franz-go's kfake speaks it, in a process of its own on the
// loopback interface, so that its processor time is not the tool's.
//
// With -rows it keeps that many rows in the topic "stored". Without, it takes what is produced, checks it as a broker does,
// answers, and keeps nothing of it but a digest of each topic. What it has seen is told over HTTP as JSON, at the second
// address that it prints.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/penstock/penstock/bench/rows"
)

func main() {
	n := flag.Int("rows", 0, "keep so many rows in the topic stored")
	memory := flag.Int64("memory", 1<<30, "bytes of heap from which on garbage is collected")
	flag.Parse()
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer end()
	// No collection before the heap is full: the broker must not be what is measured.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(*memory)
	if err := serve(ctx, *n, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "broker:", err)
		os.Exit(1)
	}
}

// serve runs the broker until ctx is done.
func serve(ctx context.Context, n int, out io.Writer) error {
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.Produce), 12) // the last that names topics, not their ids
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1), kfake.MaxVersions(versions),
		kfake.SeedTopics(1, "stored"),
	}
	if n == 0 {
		opts = append(opts, kfake.BlackholeProduce())
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := store(ctx, c.ListenAddrs()[0], n); err != nil {
		return err
	}
	s := &seen{topics: map[string]*topic{}}
	c.ControlKey(int16(kmsg.Produce), s.produced)
	c.ControlKey(int16(kmsg.Fetch), s.fetched)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	if _, err := fmt.Fprintln(out, c.ListenAddrs()[0], l.Addr()); err != nil {
		return err
	}
	<-ctx.Done()
	return errors.Join(server.Close(), ignoreClosed(<-served))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// store produces the rows that the broker keeps, in batches as the tools make them.
func store(ctx context.Context, addr string, n int) error {
	if n == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("stored"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	var lost kgo.FirstErrPromise
	for i := range n {
		client.Produce(ctx, kgo.SliceRecord(rows.Append(nil, i)), lost.Promise())
	}
	return lost.Err()
}

// seen is what the broker was asked.
type seen struct {
	mu     sync.Mutex
	topics map[string]*topic
	offset int64 // the highest that a consumer asked for
}

// topic is what was produced to a topic. First and Last are when the first and the last request came, in nanoseconds
// since the epoch.
type topic struct {
	rows.Digest
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

func (s *seen) produced(r kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // kfake's order of results
	now := time.Now().UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range r.(*kmsg.ProduceRequest).Topics {
		d := s.topics[t.Topic]
		if d == nil {
			d = &topic{First: now}
			s.topics[t.Topic] = d
		}
		d.Last = now
		for _, p := range t.Partitions {
			digest(&d.Digest, p.Records)
		}
	}
	return nil, nil, false
}

func (s *seen) fetched(r kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // kfake's order of results
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range r.(*kmsg.FetchRequest).Topics {
		for _, p := range t.Partitions {
			s.offset = max(s.offset, p.FetchOffset)
		}
	}
	return nil, nil, false
}

// digest adds the records of a batch (Kafka's record format 2). Compressed ones it leaves out, so that their run does not
// count.
func digest(d *rows.Digest, batch []byte) {
	const header, codec = 61, 7
	if len(batch) < header || batch[22]&codec != 0 {
		return
	}
	for b := batch[header:]; len(b) > 0; {
		length, n := binary.Varint(b)
		rest := b[n:][:length]
		b = b[n:][length:]
		rest = rest[1:] // attributes
		for range 2 {   // timestamp, offset
			_, n = binary.Varint(rest)
			rest = rest[n:]
		}
		key, n := binary.Varint(rest)
		rest = rest[n:][max(key, 0):]
		value, n := binary.Varint(rest)
		d.Add(rest[n:][:max(value, 0)])
	}
}

// ServeHTTP answers /topic/NAME with what was produced there, /offset with how far consumers have come, and /forget by
// forgetting the latter.
func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var answer any = s.offset
	if name, ok := strings.CutPrefix(r.URL.Path, "/topic/"); ok {
		answer = topic{}
		if t := s.topics[name]; t != nil {
			answer = *t
		}
	}
	if r.URL.Path == "/forget" {
		s.offset = 0
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(http.ErrAbortHandler) // whoever asked is gone
	}
}

package clustertest_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// endTxn is the key of Kafka's request that commits or aborts a transaction.
const endTxn = 26

// proxy passes on what clients say to the broker, and can hold back the end of a transaction.
type proxy struct {
	address string
	to      string
	id      []byte // of the transactions that are meant

	mu    sync.Mutex
	next  *held // not nil: the next end of a transaction is held
	conns map[net.Conn]bool
}

// held is the end of a transaction that waits before the broker.
type held struct {
	came chan struct{} // closed when it is there
	pass chan bool     // whether it may go on
}

// startProxy listens at the address that the broker names to those who come through it.
func startProxy(t *testing.T, transactionalID string) *proxy {
	t.Helper()
	address, to, ok := strings.Cut(strings.TrimSpace(read(filepath.Join(os.Getenv(folderEnvironment), "broker.proxied"))), " ")
	if !ok {
		t.Fatal("the broker is not one of scripts/kafka.sh")
	}
	l, err := net.Listen("tcp", address) //nolint:noctx // closed below
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: address, to: to, id: []byte(transactionalID), conns: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			serving.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // ends the loop above
		p.mu.Lock()
		for conn := range p.conns {
			_ = conn.Close() // as above
		}
		p.mu.Unlock()
		serving.Wait()
	})
	return p
}

// hold keeps the next end of a transaction from the broker.
func (p *proxy) hold() *held {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = &held{make(chan struct{}), make(chan bool, 1)}
	return p.next
}

// holds is what holds a request; nil: nothing.
func (p *proxy) holds(request []byte) *held {
	if len(request) < 2 || binary.BigEndian.Uint16(request) != endTxn || !bytes.Contains(request, p.id) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.next
	p.next = nil
	return h
}

func (p *proxy) own(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = true
}

func (p *proxy) serve(client net.Conn) {
	p.own(client)
	defer client.Close()                 //nolint:errcheck // ends what reads from it
	broker, err := net.Dial("tcp", p.to) //nolint:noctx // on this machine
	if err != nil {
		return // the client tries again
	}
	p.own(broker)
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(client, broker) // until either is closed
		_ = client.Close()
	})
	p.requests(client, broker)
	_ = broker.Close() // ends the answers
	answers.Wait()
}

// requests passes on requests, one after the other, each with its length in front.
func (p *proxy) requests(from io.Reader, to io.Writer) {
	for {
		var size [4]byte
		if _, err := io.ReadFull(from, size[:]); err != nil {
			return
		}
		request := make([]byte, 4+binary.BigEndian.Uint32(size[:]))
		copy(request, size[:])
		if _, err := io.ReadFull(from, request[4:]); err != nil {
			return
		}
		if h := p.holds(request[4:]); h != nil {
			close(h.came)
			if !<-h.pass {
				return
			}
		}
		if _, err := to.Write(request); err != nil {
			return
		}
	}
}

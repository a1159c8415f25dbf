package task

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// messagePool lets the client of a sink use the memory of consumed messages again, a fetched batch's at a time: a message
// takes as much memory as a usual record's bytes. What the messages refer to is not reused. It implements
// [kgo.PoolRecords] and is safe for concurrent use; the collector takes what lies idle.
type messagePool struct{ slabs sync.Pool }

// GetRecords implements [kgo.PoolRecords].
func (p *messagePool) GetRecords(n int) []kgo.Record {
	if s, ok := p.slabs.Get().(*[]kgo.Record); ok && cap(*s) >= n {
		return (*s)[:0]
	}
	return make([]kgo.Record, 0, n)
}

// PutRecords implements [kgo.PoolRecords].
func (p *messagePool) PutRecords(s []kgo.Record) {
	s = s[:0]
	p.slabs.Put(&s)
}

package topic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/store"
)

// transactionTimeout is how long a transaction of a leader that has gone stays open at most (decision D3).
const transactionTimeout = 10 * time.Second

// claim is the right to commit, and the producer that has it.
type claim struct {
	fence  store.Fence
	client *kgo.Client
	dead   bool // a transaction failed: how it ends is not known here, so nothing may follow it
}

// transactionalID is the leader's, as in Kafka Connect with exactly-once sources (DistributedConfig.transactionalProducerId).
func (s *Store) transactionalID() string { return "connect-cluster-" + s.settings.Group }

// mayLead refuses a worker whose user may not write under the leader's transactional id: it would be found out when the
// worker has to lead. The broker looks at the permission before it finds that the transaction to be ended, which is of no
// producer, does not exist; whoever leads notices nothing. Any other error is left to the claim.
func (s *Store) mayLead(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, mayLeadWithin)
	defer stop()
	q := kmsg.NewPtrEndTxnRequest()
	q.TransactionalID, q.ProducerID, q.ProducerEpoch = s.transactionalID(), noProducer, noProducer
	answer, err := q.RequestWith(ctx, s.writer)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
		return s.mayNotLead(err)
	}
	return nil
}

const (
	mayLeadWithin = 5 * time.Second
	noProducer    = -1
)

func (s *Store) mayNotLead(err error) error {
	return explain(err, access{"Write", "transactional id", s.transactionalID()})
}

// turn waits until no other claim or commit is under way; release ends it.
func (s *Store) turn(ctx context.Context) (release func(), err error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	select {
	case s.write <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := s.usable(ctx); err != nil {
		<-s.write
		return nil, err
	}
	return func() { <-s.write }, nil
}

// Claim implements [store.Log] (rule 3 of D2): it takes the transactional id over, which ends the transaction of an earlier
// claim; reads to the end; and writes again what an earlier claim left aborted (rule 4 of D2).
func (s *Store) Claim(ctx context.Context) (store.Fence, error) {
	release, err := s.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	if s.claim != nil {
		s.claim.client.Close()
		s.claim = nil
	}
	id := s.transactionalID()
	client, err := s.settings.Client(s.clientID("leader"), append(producing(s.limit), kgo.TransactionalID(id), kgo.TransactionTimeout(transactionTimeout))...)
	if err != nil {
		return 0, err
	}
	c := &claim{client: client}
	if err := s.take(ctx, c, id); err != nil {
		client.Close()
		return 0, err
	}
	s.claims++
	c.fence, s.claim = s.claims, c
	return c.fence, nil
}

func (s *Store) take(ctx context.Context, c *claim, id string) error {
	if _, _, err := c.client.ProducerID(ctx); err != nil {
		return fmt.Errorf("take transactional id %s: %w", id, s.mayNotLead(err))
	}
	if err := s.configs.readToEnd(ctx); err != nil {
		return err
	}
	return s.repair(ctx, c)
}

// Requests implements [store.Log].
func (s *Store) Requests(ctx context.Context) ([]store.Request, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	var rs []store.Request
	err := s.await(ctx, func() bool {
		rs = s.state.unanswered()
		return len(rs) > 0
	})
	return rs, err
}

// Commit implements [store.Log]: one transaction, whose last record is the plan's head. Its revision is one more than the
// end of the log before it, which is above every revision so far and known before anything is written, so that records
// can name it; it is the offset after the first record unless somebody else wrote in between.
//
// Whatever goes wrong once a record was handed over, the claim is worth nothing afterwards. Nothing is aborted on purpose
// (rule 4 of D2): the next claim ends the transaction, or the broker after 10 s.
func (s *Store) Commit(ctx context.Context, f store.Fence, c store.Commit) (store.Revision, error) {
	release, err := s.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	if s.claim == nil || s.claim.fence != f || s.claim.dead {
		return 0, store.ErrFenced
	}
	s.mu.Lock()
	d := draft{state: s.state, revision: max(store.Revision(s.configs.next[0]), s.state.revision) + 1}
	err = d.write(c)
	s.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("commit: %w: %w", store.ErrNotStored, err)
	}
	if err := d.fits(s.limit); err != nil {
		return 0, fmt.Errorf("commit: %w: %w", store.ErrNotStored, err)
	}
	if err := s.transaction(ctx, s.claim, d.records); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	return d.result, nil
}

// transaction writes records in their order and returns once they are committed and have been read.
func (s *Store) transaction(ctx context.Context, c *claim, records []*kgo.Record) error {
	bounded, stop := context.WithTimeout(ctx, transactionTimeout)
	defer stop()
	for _, r := range records {
		r.Topic = s.configs.topic
	}
	c.dead = true // until it has ended well
	if err := c.client.BeginTransaction(); err != nil {
		return fenced(err)
	}
	if err := s.produce(bounded, c.client, records...); err != nil {
		return fenced(err)
	}
	if err := c.client.EndTransaction(bounded, kgo.TryCommit); err != nil {
		return fenced(s.unwritten(ctx, s.configs.topic, err))
	}
	c.dead = false
	return s.configs.readBack(ctx, records)
}

// fenced marks errors that say that another has claimed since.
func fenced(err error) error {
	for _, e := range []error{
		kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidProducerIDMapping, kerr.InvalidTxnState, kerr.UnknownProducerID,
		kerr.TransactionAbortable, kerr.OperationNotAttempted,
	} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", store.ErrFenced, err)
		}
	}
	return err
}

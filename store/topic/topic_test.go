package topic_test

import (
	"testing"

	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/storetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return newCluster(t).open() })
}

func TestDurable(t *testing.T) {
	t.Parallel()
	storetest.Durable(t, func(t *testing.T) func() store.Store {
		c := newCluster(t)
		return func() store.Store { return c.open() }
	})
}

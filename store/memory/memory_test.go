package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/memory"
	"github.com/penstock/penstock/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.Store { return memory.Open() })
}

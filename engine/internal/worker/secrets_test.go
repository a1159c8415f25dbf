package worker

import (
	"errors"
	"fmt"
	"testing"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// secretsOf is what the reference of a connector stands for: the journal's bench keeps one secret for each.
func (b *bench) secretsOf(m config.Map) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch secret, ok := b.secrets[m["name"]]; {
	case !ok:
		return "", nil
	case secret == "":
		return "", errors.New("there is no such secret")
	default:
		return secret, nil
	}
}

func (b *bench) setSecret(name, secret string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secrets[name] = secret
}

// looks waits until the worker has looked at every secret anew.
func (b *bench) looks() {
	b.t.Helper()
	name := fmt.Sprintf("probe-%d", len(b.lines()))
	b.setSecret(name, "1")
	b.put(name, "1")
	b.awaitLine(fmt.Sprintf("run %s/0 1 (0 of 1)", name), 1)
	b.setSecret(name, "2")
	b.awaitLine(fmt.Sprintf("run %s/0 1 (0 of 1)", name), 2)
}

// TestChangedSecretRestartsItsUsers, and nobody else.
func TestChangedSecretRestartsItsUsers(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.setSecret("a", "1")
	b.setSecret("kept", "1")
	b.put("a", "1")
	b.put("b", "1")
	b.write("kept", func(c *store.Connector) {
		c.Config = config.Map{"name": "kept", "v": "1", config.ConfigReload: "none"}
	})
	for _, name := range []string{"a", "b", "kept"} {
		b.awaitLine(fmt.Sprintf("run %s/0 1 (0 of 1)", name), 1)
	}
	b.setSecret("kept", "2")
	b.setSecret("a", "2")
	b.awaitLine("run a/0 1 (0 of 1)", 2)
	b.looks()
	if n, m := b.count("end b/0"), b.count("end kept/0"); n+m != 0 {
		t.Errorf("b ended %d times, kept %d times; their secrets have not changed, or do not count", n, m)
	}
}

// TestLostSecretStopsNothing: what runs goes on with the secret that it has, and a new one counts when it is there.
func TestLostSecretStopsNothing(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.setSecret("a", "1")
	b.put("a", "1")
	b.awaitLine("run a/0 1 (0 of 1)", 1)
	b.setSecret("a", "")
	b.looks()
	b.setSecret("a", "1")
	b.looks()
	if n := b.count("end a/0"); n != 0 {
		t.Errorf("the task ended %d times", n)
	}
	b.setSecret("a", "2")
	b.awaitLine("run a/0 1 (0 of 1)", 2)
}

// TestMissingSecretFailsUntilItIsThere: nobody has to restart anything.
func TestMissingSecretFailsUntilItIsThere(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.setSecret("a", "")
	b.put("a", "1")
	b.awaitState("a", store.Instance, store.StateFailed)
	b.setSecret("a", "1")
	b.awaitLine("run a/0 1 (0 of 1)", 1)
	b.awaitState("a", 0, store.StateRunning)
}

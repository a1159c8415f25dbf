package leader

import (
	"maps"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// needsOf writes down what a member must have, so that equal needs are equal texts: lines of a class, a blank and a version.
func needsOf(plugins map[string]string) string {
	var b strings.Builder
	for _, class := range slices.Sorted(maps.Keys(plugins)) {
		b.WriteString(class + " " + plugins[class] + "\n")
	}
	return b.String()
}

func parseNeeds(needs string) map[string]string {
	plugins := map[string]string{}
	for line := range strings.Lines(needs) {
		class, version, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		plugins[class] = version
	}
	return plugins
}

// share is how many tasks of a connector need a place. A stopped connector has none (Kafka Connect empties its task set),
// a paused one keeps them: it is started at once when it resumes. The tasks of an older configuration keep their places
// until the instance has made those of the present one: they do not run, but most of them will be back in a moment.
func share(c store.Connector) int {
	if c.Target == config.Stopped {
		return 0
	}
	return len(c.Tasks)
}

// needs remembers what connectors need, since a plan asks for all of them.
type needs struct {
	ask   func(config.Map) map[string]string
	known map[string]known // by connector
}

// known is what was found for a revision of a configuration.
type known struct {
	revision store.Revision
	needs    string
}

func newNeeds(ask func(config.Map) map[string]string) *needs { return &needs{ask, map[string]known{}} }

// of returns a connector's needs as needsOf makes them.
func (n *needs) of(c store.Connector) string {
	if n.ask == nil {
		return ""
	}
	k, ok := n.known[c.Name]
	if ok && k.revision == c.Revision && c.Revision != 0 {
		return k.needs
	}
	k = known{c.Revision, needsOf(n.ask(c.Config))}
	if c.Revision != 0 { // 0 is of a commit in the making, and may be of another the next time
		n.known[c.Name] = k
	}
	return k.needs
}

// forget drops what is known of connectors that are taken away.
func (n *needs) forget(changed map[string]*store.Connector) {
	for name, c := range changed {
		if c == nil {
			delete(n.known, name)
		}
	}
}

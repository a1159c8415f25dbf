package clustertest_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// genuineCommand is a worker of Kafka Connect in place of ours, with the settings that ours has, and those of Kafka's own
// scripts but for the heap, of which three do not find two gigabytes each.
func (w *worker) genuineCommand() *exec.Cmd {
	w.t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "bootstrap.servers=%s\nlisteners=http://%s\ngroup.id=%s\nplugin.discovery=service_load\n", w.servers, w.address(), w.group)
	fmt.Fprintf(&text, "key.converter=%s\nvalue.converter=%s\n", stringClass, stringClass)
	fmt.Fprintf(&text, "session.timeout.ms=%d\nheartbeat.interval.ms=1000\nscheduled.rebalance.max.delay.ms=%d\noffset.flush.interval.ms=%d\n", session.Milliseconds(), delay.Milliseconds(), flush.Milliseconds())
	fmt.Fprintf(&text, "offset.storage.partitions=5\n")
	for _, kind := range []string{"config", "offset", "status"} {
		fmt.Fprintf(&text, "%s.storage.topic=%s-%s\n%s.storage.replication.factor=1\n", kind, w.group, kind+ending(kind), kind)
	}
	file := filepath.Join(w.dir, fmt.Sprintf("java-%d.properties", w.number))
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return exec.Command("java", "-Xms256M", "-Xmx1G", "-Dorg.apache.logging.log4j.level=WARN", "-cp", os.Getenv(jarsEnvironment)+"/*", "org.apache.kafka.connect.cli.ConnectDistributed", file) //nolint:noctx,gosec // ended by end
}

// launchAs starts a worker of ours or of Kafka Connect.
func (w *worker) launchAs(genuine bool) {
	w.t.Helper()
	if genuine {
		w.start(w.genuineCommand())
		return
	}
	w.launch()
}

// genuine tells whether the process is one of Kafka Connect.
func (w *worker) genuine() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return filepath.Base(w.command.Path) == "java"
}

// beginGenuine starts a worker of Kafka Connect in place of ours, and waits until it answers.
func (w *worker) beginGenuine() {
	w.t.Helper()
	w.launchAs(true)
	await(w.t, "a worker of Kafka Connect", func() (bool, string) {
		a := w.call(w.t.Context(), http.MethodGet, "/connectors", nil)
		return a.err == nil && a.status == http.StatusOK, a.String()
	})
	w.serves(true)
}

// answers tells whether the worker says that it is well, whatever was done to it.
func (w *worker) answers() bool {
	a := w.call(w.t.Context(), http.MethodGet, "/health", nil)
	return a.err == nil && a.status == http.StatusOK
}

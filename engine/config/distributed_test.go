package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
)

var shared = []string{"bootstrap.servers=k:9092", "group.id=g", "config.storage.topic=c", "offset.storage.topic=o", "status.storage.topic=s"}

func TestDistributedWorkerHasDefaults(t *testing.T) {
	t.Parallel()
	d, _ := flat(shared...)
	w, found := config.ReadDistributed(d, registry(t))
	if len(found) > 0 {
		t.Fatal(render(t, found))
	}
	want := &config.Distributed{
		Group: "g", ConfigTopic: "c", OffsetTopic: "o", StatusTopic: "s",
		ConfigReplicas: 3, OffsetReplicas: 3, OffsetPartitions: 25, StatusReplicas: 3, StatusPartitions: 5,
		Session: 10 * time.Second, Heartbeat: 3 * time.Second, Rebalance: time.Minute, Delay: 10 * time.Second,
		ConfigSettings: map[string]string{}, OffsetSettings: map[string]string{}, StatusSettings: map[string]string{},
	}
	if diff := cmp.Diff(want, w.Distributed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDistributedWorkerReadsItsProperties(t *testing.T) {
	t.Parallel()
	d, _ := flat(append(shared, "config.storage.replication.factor=-1", "offset.storage.partitions=7", "status.storage.partitions=-1",
		"offset.storage.segment.bytes=1000", "status.storage.min.insync.replicas=2",
		"session.timeout.ms=20000", "heartbeat.interval.ms=5000", "rebalance.timeout.ms=30000", "scheduled.rebalance.max.delay.ms=6000")...)
	w, found := config.ReadDistributedHere(d, registry(t))
	if len(found) > 0 {
		t.Fatal(render(t, found))
	}
	want := &config.Distributed{
		Group: "g", ConfigTopic: "c", OffsetTopic: "o", StatusTopic: "s",
		ConfigReplicas: -1, OffsetReplicas: 3, OffsetPartitions: 7, StatusReplicas: 3, StatusPartitions: -1,
		Session: 20 * time.Second, Heartbeat: 5 * time.Second, Rebalance: 30 * time.Second, Delay: 6 * time.Second,
		ConfigSettings: map[string]string{}, OffsetSettings: map[string]string{"segment.bytes": "1000"},
		StatusSettings: map[string]string{"min.insync.replicas": "2"},
	}
	if diff := cmp.Diff(want, w.Distributed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTheDelayIsLongEnoughToStop, also where a file of Kafka Connect says otherwise; in HCL that is refused.
func TestTheDelayIsLongEnoughToStop(t *testing.T) {
	t.Parallel()
	const delay, stop = "scheduled.rebalance.max.delay.ms", "task.shutdown.graceful.timeout.ms"
	for _, c := range []struct {
		name    string
		lines   []string
		hcl     bool
		want    time.Duration // 0: refused
		warning bool
	}{
		{name: "the default", want: 10 * time.Second},
		{name: "a long stop", lines: []string{stop + "=60000"}, want: 61 * time.Second},
		{name: "none, as in Kafka Connect", lines: []string{delay + "=0"}, want: 6 * time.Second, warning: true},
		{name: "less than a stop", lines: []string{stop + "=20000", delay + "=20000"}, want: 21 * time.Second, warning: true},
		{name: "enough", lines: []string{stop + "=20000", delay + "=21000"}, want: 21 * time.Second},
		{name: "none, in HCL", lines: []string{delay + "=0"}, hcl: true},
		{name: "a long stop, in HCL", lines: []string{stop + "=60000"}, hcl: true, want: 61 * time.Second},
	} {
		d, _ := flat(append(shared[:5:5], c.lines...)...)
		if c.hcl {
			for _, key := range []string{delay, stop} {
				o := d.Origins[key]
				o.Written = strings.ReplaceAll(key, ".", "_")
				d.Origins[key] = o
			}
		}
		w, found := config.ReadDistributed(d, registry(t))
		switch {
		case found.HasErrors() != (c.want == 0), (len(found) > 0) != (c.warning || c.want == 0):
			t.Errorf("%s: got\n%s", c.name, render(t, found))
		case c.want != 0 && w.Distributed.Delay != c.want:
			t.Errorf("%s: got %s, want %s", c.name, w.Distributed.Delay, c.want)
		}
	}
}

func TestDistributedWorkerMessages(t *testing.T) {
	t.Parallel()
	r := registry(t)
	var b strings.Builder
	for _, lines := range [][]string{
		{"key.converter=Json"},
		append(shared[:2:2], "config.storage.topic=x", "offset.storage.topic=x", "status.storage.topic= x "),
		append(shared[:5:5], "status.storage.partitions=0", "config.storage.replication.factor=-2", "session.timeout.ms=soon"),
		append(shared[:5:5], "session.timeout.ms=9000", "heartbeat.interval.ms=9000", "rebalance.timeout.ms=8000"),
		append(shared[:5:5], "scheduled.rebalance.max.delay.ms=0"),
		append(shared[:5:5], "offset.storage.file.filename=/x", "exactly.once.source.support=enabled", "connect.protocol=eager", "internal.topics.automatic.creation.enable=false"),
		append(shared[:5:5], "sesion.timeout.ms=1"),
	} {
		d, source := flat(lines...)
		_, l := config.ReadDistributed(d, r)
		if len(l) == 0 {
			t.Errorf("nothing wrong with %v", lines)
		}
		b.WriteString("=== " + strings.Join(lines, " | ") + "\n" + renderWith(t, l, source) + "\n")
	}
	golden(t, "distributed.txt", b.String())
}

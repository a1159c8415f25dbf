package clustertest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// stored is how many connectors of two tasks the config topic holds that is replayed.
const stored = 10_000

// replay says what reading a large config topic costs. The worker is of a group that others use for something else: it reads its
// topics, is refused the group and ends, so that all that it has taken is for that. What it takes with empty topics is
// taken off.
func replay(t *testing.T, who string, genuine bool) {
	t.Helper()
	empty, full := start(t, 1), start(t, 1)
	full.fill()
	without := empty.refused(genuine)
	with := full.refused(genuine)
	t.Logf("%s: %d connectors of two tasks are read in %.2f CPU s (%.2f with the start of the process), %s from start to end, %d MB at most (%d MB with empty topics)",
		who, stored, (with.cpu - without.cpu).Seconds(), with.cpu.Seconds(), ms(with.took), with.peak>>10, without.peak>>10)
}

// fill makes a config topic as a worker of Kafka Connect leaves it when it has been compacted.
func (c *cluster) fill() {
	c.t.Helper()
	topic, policy := c.group+"-configs", "compact"
	if _, err := c.admin.CreateTopic(c.t.Context(), 1, 1, map[string]*string{"cleanup.policy": &policy}, topic); err != nil {
		c.t.Fatal(err)
	}
	var records []*kgo.Record
	add := func(key, format string, args ...any) {
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(key), Value: fmt.Appendf(nil, format, args...)})
	}
	for i := range stored {
		name := fmt.Sprintf("orders-%05d", i)
		properties := fmt.Sprintf(`"connector.class":"org.apache.kafka.connect.file.FileStreamSourceConnector","file":"/var/lib/input/%s.txt","topic":"%s",`+
			`"tasks.max":"2","batch.size":"2000","key.converter":%q,"value.converter":%q,"transforms":"hoist","transforms.hoist.type":"org.apache.kafka.connect.transforms.HoistField$Value",`+
			`"transforms.hoist.field":"line","errors.tolerance":"all","errors.log.enable":"true"`, name, name, stringClass, jsonClass)
		add("connector-"+name, `{"properties":{%s,"name":%q}}`, properties, name)
		for task := range 2 {
			add(fmt.Sprintf("task-%s-%d", name, task), `{"properties":{%s,"task.class":"org.apache.kafka.connect.file.FileStreamSourceTask"}}`, properties)
		}
		add("commit-"+name, `{"tasks":2}`)
	}
	if err := c.client.ProduceSync(c.t.Context(), records...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

// spent is what a process has taken.
type spent struct {
	cpu, took time.Duration
	peak      int // KiB, resident
}

// refused runs a worker that is refused its group.
func (c *cluster) refused(genuine bool) spent {
	c.t.Helper()
	others := c.occupy()
	defer others.Close()
	w := c.workers[0]
	command := exec.Command(os.Getenv(binaryEnvironment), "worker", "-var", fmt.Sprintf("port=%d", w.port), filepath.Join(w.dir, "worker.hcl")) //nolint:noctx,gosec // ended by end
	if genuine {
		command = w.genuineCommand()
	}
	begun := time.Now()
	w.start(command)
	peak := 0
	for deadline := time.After(patience); ; {
		peak = max(peak, peakOf(command.Process.Pid))
		select {
		case <-w.ended:
			if text := tail(w.log(), 4000); !strings.Contains(text, "E920") && !strings.Contains(text, "InconsistentGroupProtocol") {
				c.t.Fatalf("the worker was not refused:\n%s", text)
			}
			is := command.ProcessState
			return spent{is.UserTime() + is.SystemTime(), time.Since(begun), peak}
		case <-deadline:
			c.t.Fatalf("the worker was not refused:\n%s", tail(w.log(), 4000))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// occupy makes the group one of consumers.
func (c *cluster) occupy() *kgo.Client {
	c.t.Helper()
	topic := c.group + "-consumed"
	c.createTopics(topic)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.servers), kgo.ConsumerGroup(c.group), kgo.ConsumeTopics(topic))
	if err != nil {
		c.t.Fatal(err)
	}
	await(c.t, "a consumer in the group", func() (bool, string) {
		groups, err := c.admin.DescribeGroups(c.t.Context(), c.group)
		return err == nil && groups[c.group].State == "Stable", fmt.Sprint(groups, err)
	})
	return client
}

var peakPattern = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakOf is the most memory that a process has had, in KiB; 0 when it is gone.
func peakOf(pid int) int {
	m := peakPattern.FindStringSubmatch(read(fmt.Sprintf("/proc/%d/status", pid)))
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits
	return n
}

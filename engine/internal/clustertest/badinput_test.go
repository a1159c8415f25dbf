package clustertest_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Each test below does to a cluster what nobody should. What is wrong is said with what to do; the cluster goes on or stops
// in good order, and nothing is lost.

// ends waits until a worker ends by itself with an error, and demands that it says some words.
func (w *worker) ends(words ...string) {
	w.t.Helper()
	if err := w.wait(patience); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		w.t.Errorf("worker %d ended with %v, want exit status 1", w.number, err)
	}
	w.serves(false)
	w.says(words...)
}

// says waits until a worker has said some words, in its log, whose lines may be broken anywhere.
func (w *worker) says(words ...string) {
	w.t.Helper()
	for _, word := range words {
		await(w.t, fmt.Sprintf("worker %d to say %q", w.number, word), func() (bool, string) {
			return strings.Contains(strings.Join(strings.Fields(read(w.log())), " "), word), tail(w.log(), 4000)
		})
	}
	if strings.Contains(read(w.log()), "goroutine ") {
		w.t.Errorf("worker %d shows a stack:\n%s", w.number, tail(w.log(), 4000))
	}
}

// rows creates a source of rows, whose topic has its name.
func (c *cluster) rows(w *worker, name string) {
	c.t.Helper()
	c.createTopics(name)
	w.must(http.MethodPut, "/connectors/"+name+"/config", map[string]string{
		"connector.class": "penstock.DatagenSource", "topic": name, "fields": "id:sequence", "rate": "100", "tasks.max": "1",
		"value.converter": jsonClass, "value.converter.schemas.enable": "false", "key.converter": stringClass,
	}, http.StatusCreated)
	c.settled(map[string]int{name: 1})
}

var idPattern = regexp.MustCompile(`^\{"id":(\d+)\}$`)

// whole demands that a topic of rows has more of them than before, none missing, and none twice: all that happens here leaves
// time to store where a task is. It returns how many there are.
func (c *cluster) whole(name string, more int) int {
	c.t.Helper()
	count := 0
	await(c.t, "more rows in "+name, func() (bool, string) {
		found := map[string]bool{}
		for _, r := range c.all(name, true) {
			m := idPattern.FindSubmatch(r.Value)
			if m == nil {
				c.t.Fatalf("a record is not what was sent: %s", r.Value)
			}
			if found[string(m[1])] {
				c.t.Fatalf("%s: row %s is there twice", name, m[1])
			}
			found[string(m[1])] = true
		}
		count = len(found)
		for n := range count {
			if !found[fmt.Sprint(n)] {
				c.t.Fatalf("%s: row %d of %d is lost", name, n, count)
			}
		}
		return count > more, fmt.Sprint(count)
	})
	return count
}

// produce writes a record as somebody does who is none of the workers.
func (c *cluster) produce(topic string, key, value string) {
	c.t.Helper()
	r := &kgo.Record{Topic: topic, Key: []byte(key)}
	if value != "" {
		r.Value = []byte(value)
	}
	if err := c.client.ProduceSync(c.t.Context(), r).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

// TestAGroupOfOthers: a worker whose group others use for something else says so and ends; when they are gone it works.
func TestAGroupOfOthers(t *testing.T) {
	c := start(t, 1)
	others := c.occupy()
	t.Cleanup(others.Close)
	w := c.workers[0]
	w.launch()
	w.ends("[E920]", "The group "+c.group+" is used for something else: its members, on 127.0.0.1, speak the protocol \"consumer\".", "worker.hcl:", "Choose another group.id.")
	if err := others.LeaveGroupContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.begin()
	c.settled(nil)
	w.stop()
}

// TestRecordsThatCannotBeRead of the config topic are skipped and told, once by each worker that reads them, and change
// nothing: not what runs, not what can be done, not what the next worker reads.
func TestRecordsThatCannotBeRead(t *testing.T) {
	c := start(t, 2)
	w, other := c.workers[0], c.workers[1]
	w.begin()
	c.settled(nil)
	name := c.group + "-rows"
	c.rows(w, name)
	configs := c.group + "-configs"
	for key, value := range map[string]string{
		"connector-" + name: "no JSON", "task-" + name + "-0": `{"properties":7}`, "task-" + name: `{"properties":{}}`, "commit-" + name: `{"tasks":-1}`,
		"target-state-" + name: `{"state":"ASLEEP"}`, "restart-connector-" + name: "{", "request-1": "\xff", "targets-" + name: "[]", "connector-new": `{"properties":[1]}`,
		"nobody-knows": "this", "": "nor this",
	} {
		c.produce(configs, key, value)
	}
	for _, key := range []string{"connector-" + name, "task-" + name, "commit-" + name, "target-state-" + name, "request-1", "connector-new"} {
		w.says("key=" + key)
	}
	w.must(http.MethodPut, "/connectors/"+name+"-2/config", map[string]string{
		"connector.class": "FileStreamSource", "topic": name, "file": filepath.Join(c.dir, "none"),
	}, http.StatusCreated)
	w.must(http.MethodGet, "/connectors/new", nil, http.StatusNotFound)
	other.begin() // which has read them as well
	c.settled(map[string]int{name: 1, name + "-2": 1})
	other.says("key=connector-" + name)
	c.whole(name, c.whole(name, 0)+100)
	if got := strings.Count(read(w.log()), "key=connector-new"); got != 1 {
		t.Errorf("a record was told %d times, want once", got)
	}
	w.must(http.MethodPut, "/connectors/"+name+"-2/pause", nil, http.StatusAccepted)
	for _, w := range c.workers {
		w.stop()
	}
}

// TestPlansOfOthers: when somebody writes a plan of another cluster, or of a version that is not known, into the config topic
// while workers run on it, all of them stop what they run, store where it is, and end with the reason; so does one that comes
// later. When the plan is what it was they go on, and nothing is lost.
func TestPlansOfOthers(t *testing.T) {
	for _, is := range []struct {
		name, plan string
		says       []string
	}{
		{"of another group", `{"version":1,"group.id":"theirs","epoch":1000,"revision":1000,"members":["a"]}`, []string{"[E920]", `"theirs"`, "take its group.id"}},
		{"of another version", `{"version":2,"group.id":%q,"epoch":1000}`, []string{"[E205]", "version 2", "Start the version that wrote it"}},
	} {
		t.Run(is.name, func(t *testing.T) {
			c := start(t, 2)
			for _, w := range c.workers {
				w.begin()
			}
			c.settled(nil)
			name := c.group + "-rows"
			c.rows(c.workers[0], name)
			before := c.whole(name, 100)
			configs := c.group + "-configs"
			var good []byte
			for _, r := range c.all(configs, true) {
				if string(r.Key) == "plan" {
					good = r.Value
				}
			}
			plan := is.plan
			if strings.Contains(plan, "%q") {
				plan = fmt.Sprintf(plan, c.group)
			}
			c.produce(configs, "plan", plan)
			for _, w := range c.workers {
				w.ends(append(is.says, "worker.hcl:")...)
			}
			ended := c.whole(name, before)
			w := c.workers[0]
			w.launch()
			w.ends(is.says...)
			c.produce(configs, "plan", string(good))
			w.begin()
			c.settled(map[string]int{name: 1})
			c.whole(name, ended)
			w.stop()
		})
	}
}

// TestADiskThatIsFull: a sink that cannot write fails, says why, and loses nothing; the worker's own output may fail as well.
// Everything else goes on.
func TestADiskThatIsFull(t *testing.T) {
	c := start(t, 2)
	first := c.workers[0]
	first.output = "/dev/full"
	for _, w := range c.workers {
		w.begin()
	}
	c.settled(nil)
	name := c.group + "-rows"
	c.rows(first, name)
	out := filepath.Join(c.dir, "out")
	sink := map[string]string{
		"connector.class": "FileStreamSink", "topics": name, "file": "/dev/full", "key.converter": stringClass, "value.converter": stringClass, "errors.restart.policy": "never",
	}
	first.must(http.MethodPut, "/connectors/sink/config", sink, http.StatusCreated)
	await(t, "the sink to fail", func() (bool, string) {
		a := first.call(t.Context(), http.MethodGet, "/connectors/sink/status", nil)
		return strings.Contains(string(a.body), `"FAILED"`) && strings.Contains(string(a.body), "no space left on device"), a.String()
	})
	before := c.whole(name, 200)
	sink["file"] = out
	c.workers[1].must(http.MethodPut, "/connectors/sink/config", sink, http.StatusOK)
	await(t, "all rows in the file", func() (bool, string) {
		found := map[string]bool{}
		for line := range strings.Lines(read(out)) {
			found[strings.TrimSpace(line)] = true
		}
		for n := range before {
			if !found[fmt.Sprintf(`{"id":%d}`, n)] {
				return false, fmt.Sprintf("row %d is not there; %d lines are", n, len(found))
			}
		}
		return true, ""
	})
	c.settled(map[string]int{name: 1, "sink": 1})
	for _, w := range c.workers {
		w.stop()
	}
}

// TestTwoWorkersWithOneAddress: the later one is given nothing and told of, and takes over when the first has gone.
func TestTwoWorkersWithOneAddress(t *testing.T) {
	c := start(t, 2)
	first, later := c.workers[0], c.workers[1]
	c.further = fmt.Sprintf("rest {\n advertised_host_name = \"127.0.0.1\"\n advertised_port = %d\n}", first.port)
	c.configure(c.servers)
	first.begin()
	await(t, "the first to lead", func() (bool, string) { return first.healthy(), "" })
	name := c.group + "-rows"
	c.createTopics(name)
	first.must(http.MethodPut, "/connectors/"+name+"/config", map[string]string{
		"connector.class": "penstock.DatagenSource", "topic": name, "fields": "id:sequence", "rate": "100", "tasks.max": "1",
		"value.converter": jsonClass, "value.converter.schemas.enable": "false", "key.converter": stringClass,
	}, http.StatusCreated)
	later.begin()
	first.says("two workers have one address: the later one is given nothing to run until the other is gone. Give each its own rest.advertised.host.name", "address="+first.address())
	await(t, "the later one to be a member", func() (bool, string) { return later.healthy(), "" })
	before := c.whole(name, 0)
	if p := c.planOf(later); len(p.Members) != 1 {
		t.Errorf("the plan has the members %+v, want the first one only", p.Members)
	}
	c.whole(name, before+100)
	first.stop()
	await(t, "the later one to take over", func() (bool, string) { return allRun(later, map[string]int{name: 1}) })
	c.whole(name, c.whole(name, 0)+100)
	later.stop()
}

// TestTopicsThatAreDeleted while workers use them end these in good order; they make them anew when they are started again.
// A topic that connectors use is theirs to tell of.
func TestTopicsThatAreDeleted(t *testing.T) {
	for _, kind := range []string{"configs", "offsets", "status"} {
		t.Run(kind, func(t *testing.T) {
			c := start(t, 2)
			for _, w := range c.workers {
				w.begin()
			}
			c.settled(nil)
			name := c.group + "-rows"
			c.rows(c.workers[0], name)
			before := c.whole(name, 100)
			if _, err := c.admin.DeleteTopic(t.Context(), c.group+"-"+kind); err != nil {
				t.Fatal(err)
			}
			for _, w := range c.workers {
				w.ends("[E010]", "Topic "+c.group+"-"+kind+" was deleted while this worker used it.", "start the worker again")
			}
			for _, w := range c.workers {
				w.begin()
			}
			c.settled(nil)
			if kind == "configs" { // what runs was in it
				c.workers[1].must(http.MethodGet, "/connectors/"+name, nil, http.StatusNotFound)
			} else {
				c.settled(map[string]int{name: 1})
				c.whole(name, before)
			}
			for _, w := range c.workers {
				w.stop()
			}
		})
	}
	t.Run("of a connector", func(t *testing.T) {
		c := start(t, 1)
		w := c.workers[0]
		w.begin()
		c.settled(nil)
		name, beside := c.group+"-rows", c.group+"-beside"
		c.rows(w, name)
		c.rows(w, beside)
		if _, err := c.admin.DeleteTopic(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		await(t, "the task to tell of it", func() (bool, string) {
			a := w.call(t.Context(), http.MethodGet, "/connectors/"+name+"/status", nil)
			return strings.Contains(string(a.body), "does not exist or was deleted") && strings.Contains(string(a.body), name), a.String()
		})
		c.whole(beside, c.whole(beside, 0)+100)
		c.createTopics(name)
		c.settled(map[string]int{name: 1, beside: 1}) // healed
		w.stop()
	})
}

// acl is a command that a message tells.
var acl = regexp.MustCompile(`kafka-acls\.sh --bootstrap-server \S+ --add --allow-principal \S+ ((?:--\S+ \S+ ?)+)`)

// TestMissingPermissions gives a user nothing at first, and then what the messages of its workers say: in the end that suffices.
// Of every permission the command is told.
func TestMissingPermissions(t *testing.T) {
	c := start(t, 1)
	w := c.workers[0]
	login := fmt.Sprintf("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"penstock\" password=%q;\n", "of-the-worker")
	var text strings.Builder
	fmt.Fprintf(&text, "bootstrap.servers=%s\ngroup.id=%s\nlisteners=http://%s\nkey.converter=%s\nvalue.converter=%s\n", strings.TrimSpace(read(filepath.Join(c.kafka, "broker.secured"))), c.group, w.address(), stringClass, stringClass)
	for _, kind := range []string{"config", "offset", "status"} {
		fmt.Fprintf(&text, "%s.storage.topic=%s-%s\n%s.storage.replication.factor=1\n", kind, c.group, kind+ending(kind), kind)
	}
	for _, of := range []string{"", "producer.", "consumer.", "admin."} {
		for line := range strings.Lines(login) {
			text.WriteString(of + line)
		}
	}
	file := filepath.Join(c.dir, "connect-distributed.properties")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var given []string
	for tries := 0; ; tries++ {
		w.start(exec.Command(os.Getenv(binaryEnvironment), "worker", file)) //nolint:noctx,gosec // ended by end
		w.serves(true)
		if c.worksOrEnds(w) {
			break
		}
		_ = w.wait(patience) // with the error below
		if command := c.give(w, tries); !slices.Contains(given, command) {
			given = append(given, command)
		} else if tries > 3*len(given)+10 { // brokers hear of it a moment later
			t.Fatalf("the worker was given %q and asks for it again:\n%s", command, tail(w.log(), 4000))
		}
	}
	t.Logf("a worker needs %s", strings.Join(given, "; "))
	for _, needs := range []string{
		"--operation Write --transactional-id connect-cluster-" + c.group, "--operation Create --topic " + c.group + "-configs",
		"--operation Read --operation Describe --group " + c.group,
		"--operation Read --topic " + c.group + "-status", "--operation Write --topic " + c.group + "-offsets",
	} {
		if !slices.Contains(given, needs) {
			t.Errorf("the message of a missing permission did not say %s", needs)
		}
	}

	// What was given is taken away: who waits for the leader hears of it.
	id := kadm.NewACLs().TransactionalIDs("connect-cluster-" + c.group).Allow("User:penstock").AllowHosts("*").Operations(kmsg.ACLOperationWrite)
	if _, err := c.admin.DeleteACLs(t.Context(), kadm.NewACLs().TransactionalIDs("connect-cluster-"+c.group).ResourcePatternType(kadm.ACLPatternLiteral).Allow("User:penstock").AllowHosts().Operations(kmsg.ACLOperationWrite)); err != nil {
		t.Fatal(err)
	}
	config := map[string]string{"connector.class": "FileStreamSource", "topic": c.group + "-lines", "file": filepath.Join(c.dir, "in")}
	a := w.call(t.Context(), http.MethodPut, "/connectors/lines/config", config)
	if said := strings.Join(strings.Fields(strings.ReplaceAll(string(a.body), `\n`, " ")), " "); a.status != http.StatusInternalServerError || !strings.Contains(said, "--operation Write --transactional-id connect-cluster-"+c.group) {
		t.Errorf("a change that the leader may not make: %s", a)
	}
	if _, err := c.admin.CreateACLs(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	await(t, "a change when the permission is back", func() (bool, string) {
		a := w.call(t.Context(), http.MethodPut, "/connectors/lines/config", config)
		return a.status == http.StatusCreated || a.status == http.StatusOK, a.String()
	})
	w.stop()
}

// worksOrEnds waits until a worker works, or has ended, and reports which.
func (c *cluster) worksOrEnds(w *worker) (works bool) {
	c.t.Helper()
	w.mu.Lock()
	ended := w.ended
	w.mu.Unlock()
	await(c.t, "the worker to work or to say what it may not", func() (bool, string) {
		select {
		case <-ended:
			return true, ""
		default:
		}
		works = w.answers()
		return works, tail(w.log(), 4000)
	})
	return works
}

// give carries out the command that a worker has told, after as many others.
func (c *cluster) give(w *worker, others int) string {
	c.t.Helper()
	said := acl.FindAllStringSubmatch(strings.Join(strings.Fields(read(w.log())), " "), -1)
	if len(said) <= others {
		c.t.Fatalf("the worker ended and told no command:\n%s", tail(w.log(), 4000))
	}
	command := strings.TrimSpace(said[len(said)-1][1])
	words := strings.Fields(command)
	b := kadm.NewACLs().ResourcePatternType(kadm.ACLPatternLiteral).Allow("User:penstock").AllowHosts("*")
	var operations []kadm.ACLOperation
	for i := 0; i+1 < len(words); i += 2 {
		switch words[i] {
		case "--operation":
			o, err := kmsg.ParseACLOperation(words[i+1])
			if err != nil {
				c.t.Fatal(err)
			}
			operations = append(operations, o)
		case "--topic":
			b.Topics(words[i+1])
		case "--group":
			b.Groups(words[i+1])
		case "--transactional-id":
			b.TransactionalIDs(words[i+1])
		default:
			c.t.Fatalf("%s in %q", words[i], command)
		}
	}
	if _, err := c.admin.CreateACLs(c.t.Context(), b.Operations(operations...)); err != nil {
		c.t.Fatal(err)
	}
	return command
}

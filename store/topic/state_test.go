package topic

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
)

// captured reads a topic that a worker of Kafka Connect 4.3.1 wrote.
func captured(t testing.TB, file string) []*kgo.Record {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	var all []*kgo.Record
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct {
			Offset    int64   `json:"offset"`
			Partition int32   `json:"partition"`
			Key       string  `json:"key"`
			Value     *string `json:"value"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Offset: line.Offset, Partition: line.Partition, Key: []byte(line.Key)}
		if line.Value != nil {
			r.Value = []byte(*line.Value)
		}
		all = append(all, r)
	}
	return all
}

// record makes a record; "" is a tombstone. headers are names and values in turn.
func record(offset int64, key, value string, headers ...string) *kgo.Record {
	r := &kgo.Record{Offset: offset, Key: []byte(key)}
	if value != "" {
		r.Value = []byte(value)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

// numbered gives records their offsets, from 0 on.
func numbered(rs ...*kgo.Record) []*kgo.Record {
	for i, r := range rs {
		r.Offset = int64(i)
	}
	return rs
}

func replay(t testing.TB, group string, rs []*kgo.Record) *store.Snapshot {
	t.Helper()
	s := newState(group)
	for _, r := range rs {
		if err := s.apply(r); err != nil && fatal(err) {
			t.Fatal(err)
		}
	}
	s.marker()
	return s.publish()
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: got (+), want (-):\n%s", what, diff)
	}
}

// TestWhatKafkaConnectWrote compares with what the worker that wrote the log said of itself.
func TestWhatKafkaConnectWrote(t *testing.T) {
	t.Parallel()
	got := replay(t, "connect", captured(t, "testdata/java-configs.jsonl"))
	source := config.Map{"connector.class": "FileStreamSource", "file": "/data/in.txt", "tasks.max": "1", "topic": "lines", "name": "local-file-source"}
	sink := config.Map{"connector.class": "FileStreamSink", "file": "/data/out.txt", "tasks.max": "2", "topics": "lines", "name": "local-file-sink", "text": "ü 😀 <&> \u2028 \a \" \\ /"}
	with := func(m config.Map, key, value string) config.Map {
		n := config.Map{key: value}
		maps.Copy(n, m)
		return n
	}
	sourceTask := with(source, "task.class", "org.apache.kafka.connect.file.FileStreamSourceTask")
	sinkTask := with(sink, "task.class", "org.apache.kafka.connect.file.FileStreamSinkTask")
	want := &store.Snapshot{Revision: 40, Connectors: map[string]store.Connector{
		// An equal configuration was put after the tasks were made.
		"local-file-source": {Name: "local-file-source", Config: source, Revision: 6, Incarnation: 6, Target: config.Started, Tasks: []config.Map{sourceTask}, TasksFor: 4},
		"local-file-sink":   {Name: "local-file-sink", Config: sink, Revision: 27, Incarnation: 27, Target: config.Started, Tasks: []config.Map{sinkTask, sinkTask}, TasksFor: 27},
		"a-b c/%": {Name: "a-b c/%", Config: config.Map{"connector.class": "FileStreamSource", "file": "/data/in.txt", "tasks.max": "1", "topic": "lines", "name": "a-b c/%"},
			Revision: 8, Incarnation: 8, Target: config.Paused},
		"again": {Name: "again", Config: config.Map{"connector.class": "FileStreamSink", "file": "/data/again.txt", "tasks.max": "2", "topics": "lines", "name": "again"},
			Revision: 23, Incarnation: 23, Target: config.Stopped, Tasks: []config.Map{}, TasksFor: 23},
	}}
	same(t, "state", got, want)
}

func TestRecordsOfConnectors(t *testing.T) {
	t.Parallel()
	const x, y = `{"properties":{"v":"1"}}`, `{"properties":{"v":"2"}}`
	v1, v2 := config.Map{"v": "1"}, config.Map{"v": "2"}
	for name, test := range map[string]struct {
		log  []*kgo.Record
		want *store.Connector // without its name
	}{
		"created":          {numbered(record(0, "connector-x", x)), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started}},
		"not committed":    {numbered(record(0, "connector-x", x), record(0, "task-x-0", x)), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started}},
		"half a newer set": {numbered(record(0, "connector-x", x), record(0, "task-x-0", x), record(0, "commit-x", `{"tasks":1}`), record(0, "task-x-0", y)), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started}},
		"incomplete":       {numbered(record(0, "connector-x", x), record(0, "task-x-0", x), record(0, "commit-x", `{"tasks":2}`)), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started}},
		"no tasks":         {numbered(record(0, "connector-x", x), record(0, "commit-x", `{"tasks":0}`)), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started, Tasks: []config.Map{}, TasksFor: 1}},
		"fewer tasks": {numbered(record(0, "connector-x", x), record(0, "task-x-0", x), record(0, "task-x-1", x), record(0, "commit-x", `{"tasks":2}`), record(0, "task-x-0", y), record(0, "commit-x", `{"tasks":1}`)),
			&store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started, Tasks: []config.Map{v2}, TasksFor: 1}},
		"tasks before the connector": {numbered(record(0, "task-x-0", x), record(0, "commit-x", `{"tasks":1}`), record(0, "connector-x", y)),
			&store.Connector{Config: v2, Revision: 3, Incarnation: 3, Target: config.Started, Tasks: []config.Map{v1}, TasksFor: 2}},
		"our tasks of an older configuration": {numbered(record(0, "task-x-0", x), record(0, "commit-x", `{"tasks":1}`, forHeader, "7", incarnationHeader, "5"), record(0, "connector-x", y, revisionHeader, "9", incarnationHeader, "5")),
			&store.Connector{Config: v2, Revision: 9, Incarnation: 5, Target: config.Started, Tasks: []config.Map{v1}, TasksFor: 7}},
		"our tasks of an earlier incarnation": {numbered(record(0, "task-x-0", x), record(0, "commit-x", `{"tasks":1}`, forHeader, "7", incarnationHeader, "5"), record(0, "connector-x", y)),
			&store.Connector{Config: v2, Revision: 3, Incarnation: 3, Target: config.Started}},
		"deleted":           {numbered(record(0, "connector-x", x), record(0, "task-x-0", x), record(0, "commit-x", `{"tasks":1}`), record(0, "connector-x", ""), record(0, "target-state-x", "")), nil},
		"never there":       {numbered(record(0, "task-x-0", x), record(0, "commit-x", `{"tasks":1}`), record(0, "tasks-fencing-x", `{"task-count":1}`), record(0, "target-state-x", `{"state":"PAUSED"}`)), nil},
		"an older state":    {numbered(record(0, "connector-x", x), record(0, "target-state-x", `{"state":"PAUSED"}`)), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Paused}},
		"stopped":           {numbered(record(0, "target-state-x", `{"state":"PAUSED","state.v2":"STOPPED"}`), record(0, "connector-x", x)), &store.Connector{Config: v1, Revision: 2, Incarnation: 2, Target: config.Stopped}},
		"an unknown state":  {numbered(record(0, "connector-x", x), record(0, "target-state-x", `{"state":"PAUSED"}`), record(0, "target-state-x", `{"state":"STARTED","state.v2":"BOGUS"}`)), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Paused}},
		"state taken away":  {numbered(record(0, "connector-x", x), record(0, "target-state-x", `{"state":"PAUSED"}`), record(0, "target-state-x", "")), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started}},
		"an envelope":       {numbered(record(0, "connector-x", `{"schema":{"type":"map"},"payload":{"properties":{"v":"1"}}}`)), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started}},
		"null and a number": {numbered(record(0, "connector-x", `{"properties":{"v":1,"w":null}}`)), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started}},
		"garbage": {numbered(record(0, "connector-x", x), record(0, "connector-x", `{`), record(0, "connector-x", `{"properties":1}`), record(0, "connector-x", `7`), record(0, "connector-x", `{"properties":{"v":[]}}`),
			record(0, "task-x-a", x), record(0, "task-x", x), record(0, "commit-x", `{"tasks":"1"}`), record(0, "commit-x", `{"tasks":-1}`), record(0, "what is this", x), record(0, "session-key", "{}")),
			&store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started}},
		"a restart of Kafka Connect": {numbered(record(0, "connector-x", x), record(0, "restart-connector-x", `{"include-tasks":true,"only-failed":false}`)), &store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started}},
		"our restarts": {numbered(record(0, "connector-x", x), record(0, "restart-connector-x", `{}`, restartsHeader, `{"incarnation":1,"instance":2,"tasks":{"1":3}}`), record(0, "targets-x", `{"incarnation":1,"tasks":{"0":"PAUSED"}}`)),
			&store.Connector{Config: v1, Revision: 1, Incarnation: 1, Target: config.Started, Restarts: 2, TaskRestart: map[int]int{1: 3}, TaskTarget: map[int]config.Target{0: config.Paused}}},
		"restarts of an earlier incarnation": {numbered(record(0, "restart-connector-x", `{}`, restartsHeader, `{"incarnation":1,"instance":2}`), record(0, "targets-x", `{"incarnation":1,"tasks":{"0":"PAUSED"}}`), record(0, "connector-x", x)),
			&store.Connector{Config: v1, Revision: 3, Incarnation: 3, Target: config.Started}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := replay(t, "g", test.log).Connectors["x"]
			if ok != (test.want != nil) {
				t.Fatalf("got %+v, want %+v", got, test.want)
			}
			if ok {
				test.want.Name = "x"
				same(t, "connector", got, *test.want)
				if (got.Tasks == nil) != (test.want.Tasks == nil) {
					t.Errorf("tasks: got %v, want %v", got.Tasks, test.want.Tasks)
				}
			}
		})
	}
}

func TestHeadsThatAreNotFollowed(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]error{
		`{"version":1,"group.id":"g","epoch":3}`:     nil,
		`{"version":1,"group.id":"other","epoch":3}`: ErrForeign,
		`{"version":2,"group.id":"g","epoch":3}`:     ErrPlanVersion,
		`{"version":"x"}`:                            ErrPlanVersion,
		`nonsense`:                                   ErrPlanVersion,
	} {
		if err := newState("g").apply(record(0, headKey, value)); want == nil && err != nil || want != nil && (!cmp.Equal(err, want, cmpopts.EquateErrors()) || !fatal(err)) {
			t.Errorf("%s: got %v, want %v", value, err, want)
		}
	}
	if err := newState("g").apply(record(0, "plan-m", `{"placements":{"x":[[1]]}}`)); err == nil || !fatal(err) {
		t.Errorf("a placement that cannot be read: got %v", err)
	}
}

// TestATransactionIsReadWhole: what stands between its records does not end it.
func TestATransactionIsReadWhole(t *testing.T) {
	t.Parallel()
	s := newState("g")
	in := func(r *kgo.Record) *kgo.Record { r.Attrs = transactional(t); return r }
	for _, step := range []struct {
		record *kgo.Record // nil: a marker
		open   bool
	}{
		{record(0, "request-1", `{"ops":[]}`), false}, {in(record(1, "connector-a", `{"properties":{}}`)), true}, {record(2, "request-2", `{"ops":[]}`), true},
		{in(record(3, headKey, `{"version":1,"group.id":"g"}`)), false}, {nil, false}, {in(record(5, "connector-of-java", `{"properties":{}}`)), true}, {nil, false},
	} {
		if step.record == nil {
			s.marker()
		} else if err := s.apply(step.record); err != nil {
			t.Fatal(err)
		}
		if s.open != step.open {
			t.Errorf("after %v: got open %t", step.record, s.open)
		}
	}
}

// transactional are the attributes of a record in a transaction, which only a client's reader can make.
func transactional(t *testing.T) kgo.RecordAttrs {
	t.Helper()
	r := kmsg.Record{Key: []byte("k")}
	r.Length = int32(len(r.AppendTo(nil)) - 1)
	b := kmsg.RecordBatch{Magic: 2, Attributes: 1 << 4, NumRecords: 1, Records: r.AppendTo(nil)}
	b.Length = int32(len(b.AppendTo(nil)) - 12)
	p := kmsg.NewFetchResponseTopicPartition()
	p.RecordBatches = b.AppendTo(nil)
	got, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{DisableCRCValidation: true}, &p, kgo.DefaultDecompressor(), nil)
	if got.Err != nil || len(got.Records) != 1 || !got.Records[0].Attrs.IsTransactional() {
		t.Fatalf("got %+v", got)
	}
	return got.Records[0].Attrs
}

// TestPlansFit: a plan is within a record's limit for as many as are promised.
func TestPlansFit(t *testing.T) {
	t.Parallel()
	var all []store.Placement
	for i := range 10_000 {
		for task := store.Instance; task < 2; task++ {
			all = append(all, store.Placement{Connector: fmt.Sprintf("connector-%05d", i), Task: task, Member: "m", Epoch: 12345})
		}
	}
	all[0].Follows, all[1].Leaving = "n", true
	value, err := encodeShare(7, all)
	if err != nil || len(value) > 800_000 {
		t.Errorf("got %d bytes, %v", len(value), err)
	}
	back, err := decodeShare("m", value)
	if err != nil {
		t.Fatal(err)
	}
	if !samePlacements(back, all) {
		t.Error("another plan was read than written")
	}
}

// TestCompactionChangesNothing makes logs of what we and workers of Kafka Connect write, and compacts a prefix of them as
// Kafka does, with or without its tombstones.
func TestCompactionChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		log := anyLog(t)
		until := rapid.IntRange(0, len(log)).Draw(t, "until")
		newest := map[string]int64{}
		for _, r := range log[:until] {
			newest[string(r.Key)] = r.Offset
		}
		tombstones := rapid.Bool().Draw(t, "tombstones stay")
		compacted := slices.DeleteFunc(slices.Clone(log), func(r *kgo.Record) bool {
			return r.Offset < int64(until) && (newest[string(r.Key)] != r.Offset || r.Value == nil && !tombstones)
		})
		was, is := newState("g"), newState("g")
		for _, r := range log {
			if err := was.apply(r); err != nil {
				t.Fatal(err)
			}
			was.open = false
			if rapid.Bool().Draw(t, "publish") {
				was.publish() // a snapshot in between changes nothing either
			}
		}
		for _, r := range compacted {
			if err := is.apply(r); err != nil {
				t.Fatal(err)
			}
		}
		before, after := was.publish(), is.publish()
		if diff := cmp.Diff(before.Connectors, after.Connectors); diff != "" {
			t.Fatalf("connectors before (-), after (+):\n%s", diff)
		}
		if diff := cmp.Diff(before.Plan, after.Plan, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("plan before (-), after (+):\n%s", diff)
		}
		if diff := cmp.Diff(was.unanswered(), is.unanswered(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("requests before (-), after (+):\n%s", diff)
		}
		if tombstones && before.Revision != after.Revision {
			t.Fatalf("revision %d before, %d after", before.Revision, after.Revision)
		}
	})
}

func anyLog(t *rapid.T) []*kgo.Record {
	names := rapid.SampledFrom([]string{"a", "a-0", "b"})
	small := rapid.IntRange(0, 3)
	props := func() string { return fmt.Sprintf(`{"properties":{"v":"%d"}}`, small.Draw(t, "v")) }
	var log []*kgo.Record
	add := func(key, value string, headers ...string) {
		log = append(log, record(int64(len(log)), key, value, headers...))
	}
	ours := func(keys ...string) (headers []string) {
		if rapid.Bool().Draw(t, "ours") {
			for _, k := range keys {
				headers = append(headers, k, strconv.Itoa(1+small.Draw(t, k)))
			}
		}
		return headers
	}
	for range rapid.IntRange(0, 40).Draw(t, "records") {
		name := names.Draw(t, "name")
		value := ""
		alive := rapid.IntRange(0, 3).Draw(t, "alive") > 0
		set := func(v string) string {
			if alive {
				value = v
			}
			return value
		}
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			add(connectorPrefix+name, set(props()), ours(revisionHeader, incarnationHeader)...)
		case 1, 2:
			add(taskPrefix+name+"-"+strconv.Itoa(small.Draw(t, "task")), set(props()))
		case 3:
			add(commitPrefix+name, set(fmt.Sprintf(`{"tasks":%d}`, small.Draw(t, "tasks"))), ours(forHeader, incarnationHeader)...)
		case 4:
			add(targetPrefix+name, set(string(encodeTarget(rapid.SampledFrom([]config.Target{config.Started, config.Paused, config.Stopped}).Draw(t, "target")))))
		case 5:
			add(restartPrefix+name, set("{}"), restartsHeader, fmt.Sprintf(`{"incarnation":%d,"instance":1}`, small.Draw(t, "incarnation")))
		case 6:
			add(targetsPrefix+name, set(fmt.Sprintf(`{"incarnation":%d,"tasks":{"0":"PAUSED"}}`, small.Draw(t, "incarnation"))))
		case 7:
			add(requestPrefix+name, set(`{"ops":[]}`))
		case 8:
			add(planPrefix+name, set(fmt.Sprintf(`{"epoch":1,"placements":{"a-%d":[[0,1]]}}`, len(log))))
		default:
			add(headKey, fmt.Sprintf(`{"version":1,"group.id":"g","epoch":%d,"revision":%d,"members":["a"]}`, len(log), len(log)))
		}
	}
	return log
}

func TestRequestsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	want := store.Request{ID: "1", Deadline: time.Date(2100, 1, 2, 3, 4, 5, 6, time.UTC), Ops: []store.Op{
		{Put: &store.PutConnector{Name: "a", Config: config.Map{"<k>": "ü\x00"}, Target: config.Paused, Create: true, If: 3}},
		{Delete: &store.DeleteConnector{Name: "a", If: 1}}, {Target: &store.SetTarget{Name: "a", Target: config.Stopped}},
		{Restart: &store.Restart{Name: "a", Instance: true, Tasks: []int{1}}},
		{Tasks: &store.PutTasks{Name: "a", Incarnation: 1, For: 2, Tasks: []config.Map{{}}}},
		{Task: &store.SetTaskTarget{Name: "a", Task: 1, Target: config.Paused}},
		{Hold: &store.HoldConnector{Name: "a", By: "b", For: time.Second}},
		{Part: &store.PartMember{Member: "a:8083/x"}},
		{Put: &store.PutConnector{Name: "a", Config: config.Map{}, Mark: store.Mark{Project: "p", Source: "s", Digest: "d"}}},
	}}
	value, err := encodeRequest(want)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(value), `{"deadline":"2100-01-02T03:04:05.000000006Z","ops":[{"put":{"name":"a","config":{"<k>":"ü\u0000"},"target":"PAUSED","create":true,"if":3}}`) {
		t.Errorf("got %s", value)
	}
	got, err := decodeRequest("1", value)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "request", got, want)
}

// TestBytesOfJackson: what a worker of Kafka Connect would write, byte for byte.
func TestBytesOfJackson(t *testing.T) {
	t.Parallel()
	got := string(encodeProperties(config.Map{"a": "/<>&'\u2028\u2029\x7f", "b": "\b\t\n\f\r\"\\\x1f\x00", "c": "ü😀"}))
	want := `{"properties":{"a":"/<>&'` + "\u2028\u2029\x7f" + `","b":"\b\t\n\f\r\"\\\u001F\u0000","c":"ü\uD83D\uDE00"}}`
	same(t, "properties", got, want)
	for target, want := range map[config.Target]string{
		config.Started: `{"state":"STARTED","state.v2":"STARTED"}`, config.Paused: `{"state":"PAUSED","state.v2":"PAUSED"}`, config.Stopped: `{"state":"PAUSED","state.v2":"STOPPED"}`,
	} {
		same(t, "target", string(encodeTarget(target)), want)
	}
}

func TestKeysOfOffsets(t *testing.T) {
	t.Parallel()
	for partition, want := range map[string]string{ // the orders that the Java classes were seen to write
		`{"filename":"test.txt"}`:                             `["c",{"filename":"test.txt"}]`,
		`{"cluster":"A","partition":0,"topic":"orders"}`:      `["c",{"cluster":"A","partition":0,"topic":"orders"}]`,
		`{"group":"g1","partition":0,"topic":"orders"}`:       `["c",{"partition":0,"topic":"orders","group":"g1"}]`,
		`{"targetClusterAlias":"B","sourceClusterAlias":"A"}`: `["c",{"sourceClusterAlias":"A","targetClusterAlias":"B"}]`,
		`{"database":"d","server":"s"}`:                       `["c",{"server":"s","database":"d"}]`,
		`{"kafka_topic":"t","kafka_partition":0}`:             `["c",{"kafka_partition":0,"kafka_topic":"t"}]`,
		`null`: `["c",null]`,
		`{"a":"\ud83d\ude00","b":1.0,"c":null,"d":9007199254740993}`: `["c",{"a":"\uD83D\uDE00","b":1.0,"c":null,"d":9007199254740993}]`,
	} {
		same(t, partition, string(newKey("c", canonical([]byte(partition)))), want)
		instance, back, err := splitKey([]byte(want))
		if err != nil || instance != "c" || canonical(back) != canonical([]byte(partition)) {
			t.Errorf("%s: got %s of %s, %v", want, back, instance, err)
		}
	}
	for _, bad := range []string{``, `{}`, `[]`, `[1,{}]`, `["c"]`, `["c",{},1]`, `["c",{`, `"c"`} {
		if _, _, err := splitKey([]byte(bad)); err == nil {
			t.Errorf("%s: was read", bad)
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, file := range []string{"testdata/java-configs.jsonl", "testdata/java-status.jsonl"} {
		for _, r := range captured(f, file) {
			f.Add(string(r.Key), r.Value, "1", `{"incarnation":1}`)
		}
	}
	f.Add("plan", []byte(`{"version":1,"group.id":"g"}`), "", "")
	f.Add("plan-m", []byte(`{"placements":{"a":[[0,1,"",true]]}}`), "", "")
	f.Add("request-1", []byte(`{"ops":[{"put":{}}]}`), "", "")
	f.Add(`["c",{"a":"\ud83d\ude00"}]`, []byte(`{"p":1}`), "", "")
	f.Fuzz(func(t *testing.T, key string, value []byte, number, text string) {
		s := newState("g")
		for i, r := range []*kgo.Record{
			record(0, "connector-x", `{"properties":{}}`), record(1, "task-x-0", `{"properties":{}}`), record(2, "commit-x", `{"tasks":1}`),
			record(3, key, string(value), revisionHeader, number, incarnationHeader, number, forHeader, number, restartsHeader, text, answerHeader, text),
		} {
			if err := s.apply(r); err != nil && i < 3 {
				t.Fatal(err)
			}
		}
		s.publish()
		s.unanswered()
		if _, partition, err := splitKey([]byte(key)); err == nil {
			if once := canonical(partition); canonical([]byte(once)) != once {
				t.Errorf("%s: its canonical form %s is none", partition, once)
			}
		}
		decodeStatus(statusKey{}, value) //nolint:errcheck // that it does not panic
	})
}

// bigLog is a config topic of 10,000 connectors with two tasks each, as a worker of Kafka Connect has them.
func bigLog() []*kgo.Record {
	var log []*kgo.Record
	add := func(key, value string) { log = append(log, record(int64(len(log)), key, value)) }
	for i := range 10_000 {
		name := fmt.Sprintf("connector-of-team-%05d", i)
		m := config.Map{"name": name, "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "2",
			"topic": "topic-" + name, "file": "/var/lib/data/" + name + ".txt", "key.converter": "org.apache.kafka.connect.storage.StringConverter",
			"value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false", "errors.tolerance": "all"}
		value := string(encodeProperties(m))
		add(connectorPrefix+name, value)
		m["task.class"] = "org.apache.kafka.connect.file.FileStreamSourceTask"
		value = string(encodeProperties(m))
		add(taskPrefix+name+"-0", value)
		add(taskPrefix+name+"-1", value)
		add(commitPrefix+name, `{"tasks":2}`)
	}
	return log
}

func BenchmarkReplay(b *testing.B) {
	log := bigLog()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var kept *state
	for b.Loop() {
		kept = newState("g")
		for _, r := range log {
			if err := kept.apply(r); err != nil {
				b.Fatal(err)
			}
		}
		kept.publish()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(kept.snapshot.Connectors) != 10_000 {
		b.Fatal("not everything was read")
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-kept")
}

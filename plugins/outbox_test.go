package plugins_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/penstock/penstock/engine/record"
)

// outboxOtherwise are settings that are refused when the configuration is read, where Debezium fails at the first event.
var outboxOtherwise = map[string]bool{"type:somewhere": true}

// TestOutbox runs events through Debezium's EventRouter as its class of 3.0.0 answered them: testdata/outbox.jsonl has the
// events, then for each configuration what became of each, in the words of testdata/java/chains.
func TestOutbox(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join("testdata", "outbox.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	var events []*string
	p := &pair{t: t, runner: newRunner(t), json: jsonConverter(t)}
	compared := 0
	for lines.Scan() {
		var one struct {
			Records []*string
			Config  map[string]string
			Refused bool
			Answers []json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		if one.Records != nil {
			events = one.Records
			continue
		}
		chain, ok := p.configure([]step{{Class: "io.debezium.transforms.outbox.EventRouter", Config: one.Config}})
		if outboxOtherwise[one.Config["table.fields.additional.placement"]] {
			one.Refused = true
		}
		if ok == one.Refused {
			t.Errorf("%v: configured: got %t, want %t", one.Config, ok, !one.Refused)
		}
		if !ok {
			continue
		}
		for i, answer := range one.Answers {
			want, err := object(answer)
			if err != nil {
				t.Fatal(err)
			}
			got := p.runFromSource(chain, events[i])
			why := got["why"]
			delete(got, "why")
			compared++
			if !alike(parsed(want), parsed(got)) {
				t.Errorf("%v, event %d: got\n%s (%v), want\n%s", one.Config, i, line(got), why, line(want))
			}
		}
	}
	if err := lines.Err(); err != nil || compared < 300 {
		t.Errorf("compared %d events, %v", compared, err)
	}
}

// runFromSource takes a value through a chain on the way from a source, with a key and a header.
func (p *pair) runFromSource(chain []stage, value *string) map[string]any {
	b := record.NewBatch(record.FromSource, &record.Partitions{})
	r := b.Append()
	key, header := `{"schema":{"type":"string","optional":false},"payload":"k"}`, `{"schema":{"type":"string","optional":true},"payload":"x"}`
	r.Topic, r.Key, r.Value = "db.public.outbox", p.read(b, &key), p.read(b, value)
	r.Headers = []record.Header{{Key: "h", Datum: p.read(b, &header)}}
	return p.through(chain, b)
}

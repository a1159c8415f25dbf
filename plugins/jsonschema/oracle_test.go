package jsonschema_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
	"github.com/penstock/penstock/engine/record"
)

type oracle struct {
	mu  sync.Mutex
	in  interface{ Write([]byte) (int, error) }
	out *bufio.Reader
}

func (o *oracle) ask(t interface{ Fatal(...any) }, q map[string]any) map[string]json.RawMessage {
	line, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	got, err := o.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var a map[string]json.RawMessage
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func newOracle(t *testing.T) *oracle {
	c := exec.CommandContext(t.Context(), "bash", "/tmp/oracle/run.sh")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	return &oracle{in: in, out: bufio.NewReaderSize(out, 1<<20)}
}

func TestOracle(t *testing.T) {
	if os.Getenv("ORACLE") == "" {
		t.Skip("no oracle")
	}
	o := newOracle(t)
	rapid.Check(t, func(rt *rapid.T) {
		d := &drawn{T: rt, full: true}
		s := d.schema(3)
		v := d.value(s)
		config := map[string]string{}
		for _, k := range []string{"object.additional.properties", "ignore.default.for.nullables", "use.optional.for.nonrequired"} {
			if rapid.Bool().Draw(rt, k) {
				config[k] = rapid.SampledFrom([]string{"true", "false"}).Draw(rt, "setting")
			}
		}
		config["decimal.format"] = rapid.SampledFrom([]string{"BASE64", "NUMERIC"}).Draw(rt, "decimals")
		schemaText, valueText := json.RawMessage(vector.ShowSchema(s)), json.RawMessage(vector.Show(v))
		a := o.ask(rt, map[string]any{"dir": "write", "config": config, "schema": schemaText, "value": valueText})
		reg := registryOf(t)
		defer reg.Close()
		conv := converter(t, reg.URL(), config)
		message, err := conv.AppendData([]byte{}, "t", record.Datum{Schema: s, Value: v})
		if a["error"] != nil {
			if err == nil {
				rt.Fatalf("oracle refuses: %s; we write %s\n%s", a["error"], message, schemaText)
			}
			return
		}
		if err != nil {
			rt.Fatalf("%v\n%s", errorsOf(err), schemaText)
		}
		var wantText string
		var wantPayload *string
		_ = json.Unmarshal(a["json_schema"], &wantText)
		_ = json.Unmarshal(a["payload"], &wantPayload)
		if wantPayload == nil {
			if message != nil {
				rt.Fatalf("got %s, want tombstone", message)
			}
			return
		}
		stored, _ := reg.GetSchema("t-value", 1)
		if stored.Schema.Schema != wantText {
			rt.Fatalf("schema:\n got %s\nwant %s\nof %s", stored.Schema.Schema, wantText, schemaText)
		}
		if err := vector.CompareBytes([]byte(*wantPayload), message[5:]); err != nil {
			rt.Fatalf("%v\n%s", err, schemaText)
		}
		b := o.ask(rt, map[string]any{"dir": "read", "config": config, "json_schema": wantText, "payload": *wantPayload, "version": 1})
		got, err := conv.ReadData(new(record.Arena), "t", message)
		if b["error"] != nil {
			if err == nil {
				rt.Fatalf("oracle refuses to read: %s %s\n%s\n%s", b["error"], b["cause"], wantText, *wantPayload)
			}
			return
		}
		if err != nil {
			rt.Fatalf("read: %v\n%s\n%s", errorsOf(err), wantText, *wantPayload)
		}
		want, err := vector.Typed{Schema: b["schema"], Value: b["value"]}.Datum()
		if err != nil {
			rt.Fatalf("%v %s", err, b["schema"])
		}
		if err := vector.CompareDatum(want, got); err != nil {
			rt.Fatalf("%v\n%s\n%s", err, wantText, *wantPayload)
		}
	})
}

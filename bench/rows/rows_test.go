package rows_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/bench/rows"
)

// object reads a JSON object with the library that nothing under measurement uses.
func object(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

// What jobs must make of a row follows from the row: the texts that the digests rest on say the same as it.
func TestExpectedFollowsFromTheRow(t *testing.T) {
	t.Parallel()
	for i := range 200 {
		row := rows.Append(nil, i)
		if len(row) != 200 {
			t.Fatalf("row %d has %d bytes, want 200", i, len(row))
		}
		want := object(t, row)
		hoisted := map[string]any{"line": string(row), "source": "file"}
		if d := cmp.Diff(hoisted, object(t, rows.AppendExpected(nil, rows.Hoist, i))); d != "" {
			t.Errorf("row %d hoisted (-want +got):\n%s", i, d)
		}
		want["source"] = "file"
		if d := cmp.Diff(want, object(t, rows.AppendExpected(nil, rows.JSON, i))); d != "" {
			t.Errorf("row %d as JSON (-want +got):\n%s", i, d)
		}
		line := string(rows.AppendExpected(nil, rows.SinkFile, i))
		if note := ", note=" + want["note"].(string) + ", sink=file}"; !strings.HasSuffix(line, note) || !strings.Contains(line, ", email=****, ") {
			t.Errorf("row %d in the sink's file: got %s, want it to end with %s", i, line, note)
		}
	}
}

func TestMadeRowsAreWhatTheirFieldsSay(t *testing.T) {
	t.Parallel()
	for i := range 200 {
		m := object(t, rows.AppendExpected(nil, rows.Struct, i))
		if got, want := m["id"], float64(10_000_000+i); got != want {
			t.Errorf("row %d: got id %v, want %v", i, got, want)
		}
		if n := len(m["note"].(string)); n != 60 {
			t.Errorf("row %d: got a note of %d bytes, want 60", i, n)
		}
	}
}

// A digest of records is that of a file of them, and another order is another digest.
func TestDigest(t *testing.T) {
	t.Parallel()
	var records, file, swapped rows.Digest
	records.Add([]byte("a"))
	records.Add([]byte("bc"))
	if _, err := file.Write([]byte("a\nbc\n")); err != nil {
		t.Fatal(err)
	}
	swapped.Add([]byte("bc"))
	swapped.Add([]byte("a"))
	if records != file {
		t.Errorf("got %+v of records and %+v of the file, want the same", records, file)
	}
	if records == swapped {
		t.Errorf("got %+v in either order, want two digests", records)
	}
	if at := rows.Expected(rows.Raw, 1, 3); at[0] != rows.Expected(rows.Raw, 1)[0] || at[1] != rows.Expected(rows.Raw, 3)[0] {
		t.Errorf("got %+v, want the digests after one and after three rows", at)
	}
}

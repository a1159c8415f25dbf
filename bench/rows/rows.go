// Package rows is the data of the benchmark and what must come out of each job. The same number always gives the same row,
// on every machine.
//
// A standard row is a flat JSON object of 8 fields and 200 bytes: two whole numbers, a decimal one, a truth value and four
// texts, of which one is random so that it compresses badly. One row in 64 has escapes and a letter outside ASCII.
package rows

import (
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Job is a workload of the benchmark.
type Job string

// The workloads that move records through Kafka.
const (
	Hoist    Job = "W1" // lines → {"line": …} → one field more → JSON → topic
	JSON     Job = "W2" // lines → JSON → one field more → JSON → topic
	Struct   Job = "W3" // typed rows made in memory → one field more → JSON → topic
	Raw      Job = "W4" // lines → topic
	SinkFile Job = "W5" // topic → JSON → a field masked, one more → lines of a file, as Java prints maps
	SinkNull Job = "W6" // the same, dropped at the end
)

// size is the length of a standard row in bytes, without the end of the line.
const size = 200

const alphabet = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 -_.,:;"

// How some notes begin, and how they are written in JSON by somebody who escapes all that can be.
const (
	plainStart   = `café "q"`
	escapedStart = `caf\u00e9 \"q\"`
)

// row is a standard row, as text.
type row struct{ id, ts, user, email, amount, active, note string }

func standard(i int) row {
	r := rand.New(rand.NewPCG(42, uint64(i))) //nolint:gosec // data, no secret
	x := row{
		id: strconv.Itoa(10_000_000 + i), ts: strconv.Itoa(1_761_234_567_000 + i),
		user: "user-" + strconv.Itoa(r.IntN(1_000_000)), email: strconv.Itoa(r.IntN(1_000_000)) + "@example.com",
		// The last of the two decimals is not 0, so that Java, Go and the row itself write the number alike.
		amount: strconv.Itoa(r.IntN(100_000)) + "." + strconv.Itoa(r.IntN(10)) + strconv.Itoa(1+r.IntN(9)),
		active: strconv.FormatBool(r.IntN(2) == 0),
	}
	if i%64 == 0 {
		x.note = plainStart + ` é `
	}
	var buf [size]byte
	note := make([]byte, 0, size)
	for missing := size - len(appendInput(buf[:0], x)); missing > 0; missing-- {
		note = append(note, alphabet[r.IntN(len(alphabet))])
	}
	x.note += string(note)
	return x
}

// appendInput appends the JSON text of a row as a file or a topic has it.
func appendInput(dst []byte, x row) []byte {
	if strings.HasPrefix(x.note, plainStart) {
		x.note = escapedStart + x.note[len(plainStart):]
	}
	return x.object(dst, x.email, x.note, "")
}

// Append appends the JSON text of row i.
func Append(dst []byte, i int) []byte { return appendInput(dst, standard(i)) }

func (x row) object(dst []byte, email, note, rest string) []byte {
	for _, s := range []string{
		`{"id":`, x.id, `,"ts":`, x.ts, `,"user":"`, x.user, `","email":"`, email, `","country":"NL","amount":`, x.amount,
		`,"active":`, x.active, `,"note":"`, note, `"`, rest, `}`,
	} {
		dst = append(dst, s...)
	}
	return dst
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`) //nolint:gochecknoglobals // a constant

// AppendExpected appends what a job must make of row i.
func AppendExpected(dst []byte, job Job, i int) []byte {
	if job == Struct {
		return appendMade(dst, i)
	}
	x := standard(i)
	switch job {
	case Hoist:
		dst = append(append(dst, `{"line":"`...), escaper.Replace(string(appendInput(nil, x)))...)
		return append(dst, `","source":"file"}`...)
	case JSON:
		return x.object(dst, x.email, escaper.Replace(x.note), `,"source":"file"`)
	case SinkFile, SinkNull:
		return append(dst, "{id="+x.id+", ts="+x.ts+", user="+x.user+", email=****, country=NL, amount="+x.amount+", active="+x.active+", note="+x.note+", sink=file}"...)
	default:
		return appendInput(dst, x)
	}
}

// Digest is the count and checksum of records in their order: the checksum is that of a file of their values as lines.
type Digest struct {
	Count int64  `json:"count"`
	Bytes int64  `json:"bytes"` // of the lines
	Sum   uint32 `json:"sum"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // a constant

// Add takes the next record.
func (d *Digest) Add(value []byte) {
	d.Count++
	d.Bytes += int64(len(value)) + 1
	d.Sum = crc32.Update(crc32.Update(d.Sum, castagnoli, value), castagnoli, []byte{'\n'})
}

// Write takes a piece of a file of lines.
func (d *Digest) Write(lines []byte) (int, error) {
	for _, c := range lines {
		if c == '\n' {
			d.Count++
		}
	}
	d.Bytes += int64(len(lines))
	d.Sum = crc32.Update(d.Sum, castagnoli, lines)
	return len(lines), nil
}

// Expected is the digests of a job that did everything right, after so many rows each; marks ascend.
func Expected(job Job, marks ...int) (at []Digest) {
	var d Digest
	var b []byte
	row := 0
	for _, mark := range marks {
		for ; row < mark; row++ {
			b = AppendExpected(b[:0], job, row)
			d.Add(b)
		}
		at = append(at, d)
	}
	return at
}

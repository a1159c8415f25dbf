package rows

import "strconv"

// Fields declares the rows of [Struct] in the language of the engine's datagen source.
func Fields() []string {
	return []string{
		"id:sequence(10000000)", "ts:timestamp", "user:text(11)", "email:text(18)", "country:choice(NL)",
		"amount:double(1..100000)", "active:bool", "note:text(60)",
	}
}

// Made is a row of [Struct]: what the datagen source makes of [Fields] with seed 0, worked out by itself.
type Made struct {
	ID, TS            int64
	User, Email, Note []byte
	Country           string
	Amount            float64
	Active            bool
}

// Make makes row i. The texts lie in buf, which is at least TextBytes long.
func (m *Made) Make(i int, buf []byte) {
	m.ID, m.TS, m.Country = int64(10_000_000+i), newYear+int64(i)*1000, "NL"
	m.User, buf = text(i, 2, buf, 11)
	m.Email, buf = text(i, 3, buf, 18)
	r := throw(uint64(i), 5)
	m.Amount = 1 + 99_999*(float64(r.next()>>11)/(1<<53))
	r = throw(uint64(i), 6)
	m.Active = r.next()%2 == 1
	m.Note, _ = text(i, 7, buf, 60)
}

// TextBytes is the length of a row's texts.
const TextBytes = 11 + 18 + 60

// newYear is the beginning of 2026, in milliseconds since the epoch.
const newYear = 1_767_225_600_000

func appendMade(dst []byte, i int) []byte {
	var m Made
	m.Make(i, make([]byte, TextBytes))
	return append(dst, `{"id":`+strconv.FormatInt(m.ID, 10)+`,"ts":`+strconv.FormatInt(m.TS, 10)+
		`,"user":"`+string(m.User)+`","email":"`+string(m.Email)+`","country":"NL","amount":`+strconv.FormatFloat(m.Amount, 'f', -1, 64)+
		`,"active":`+strconv.FormatBool(m.Active)+`,"note":"`+string(m.Note)+`","source":"file"}`...)
}

// dice are random numbers (splitmix64) that depend on row and field only.
type dice uint64

const golden = 0x9E3779B97F4A7C15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

var seed = mix(golden) //nolint:gochecknoglobals // a constant

func throw(row, field uint64) dice { return dice(mix(mix(seed+row*golden) + (field+1)*golden)) }

func (d *dice) next() uint64 {
	*d += golden
	return mix(uint64(*d))
}

// text takes n bytes of buf and fills them with words of small letters.
func text(row int, field uint64, buf []byte, n int) (t, rest []byte) {
	d := throw(uint64(row), field)
	d.next() // the source draws the length, even if there is only one
	t = buf[:n:n]
	const letters, noBlanks = "abcdefghijklmnopqrstuvwxyz      ", "abcdefghijklmnopqrstuvwxyzabcdef"
	for start := 0; start < n; start += 12 {
		bits := d.next()
		part := t[start:min(start+12, n)]
		for i := range part {
			part[i] = letters[bits>>(5*i)&31]
		}
		if start == 0 {
			part[0] = noBlanks[bits&31]
		}
		if last := len(part) - 1; start+last == n-1 {
			part[last] = noBlanks[bits>>(5*last)&31]
		}
	}
	return t, buf[n:]
}

package file

import "bytes"

// cutter cuts data into lines at \n, \r\n and a lone \r. Each byte is looked at once for each of the two, by IndexByte.
type cutter struct {
	data   []byte
	at     int // where the next line begins
	nl, cr int // the next \n and the next \r at or after at; len(data): none
}

func cut(data []byte) cutter {
	return cutter{data: data, nl: index(data, '\n', 0), cr: index(data, '\r', 0)}
}

func index(data []byte, c byte, from int) int {
	if i := bytes.IndexByte(data[from:], c); i >= 0 {
		return from + i
	}
	return len(data)
}

// next is the next line without its end; it aliases data. A \r in the last place does not end a line yet, because an \n
// may follow.
func (c *cutter) next() (line []byte, ok bool) {
	end := min(c.nl, c.cr)
	if end == len(c.data) {
		return nil, false
	}
	after := end + 1
	if end == c.cr {
		if after == len(c.data) {
			return nil, false
		}
		if c.data[after] == '\n' {
			after++
		}
	}
	line = c.data[c.at:end:end]
	c.at = after
	if c.nl < after {
		c.nl = index(c.data, '\n', after)
	}
	if c.cr < after {
		c.cr = index(c.data, '\r', after)
	}
	return line, true
}

package engine

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// page writes metrics in Prometheus' text format 0.0.4 (exposition formats). All series of a family follow its head.
type page struct {
	to   io.Writer
	err  error // the first that came; nothing is written after it
	buf  []byte
	name string // of the family at hand
}

// kind is the type of a family.
type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
	summary kind = "summary"
)

// pageBlock is from how many bytes on they are written.
const pageBlock = 32 << 10

// answer writes a page to a client, packed when that takes packed answers.
func answer(w http.ResponseWriter, r *http.Request, write func(p *page)) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Add("Vary", "Accept-Encoding")
	p := &page{to: w, buf: make([]byte, 0, pageBlock+pageBlock/8)}
	if !takesGzip(r.Header.Values("Accept-Encoding")) {
		write(p)
		p.flush()
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is one
	p.to = packed
	write(p)
	p.flush()
	_ = packed.Close() // a client that has gone needs no end
}

// takesGzip reads Accept-Encoding (RFC 9110, 12.5.3) as far as gzip is concerned.
func takesGzip(accepted []string) bool {
	for coding := range strings.SplitSeq(strings.Join(accepted, ","), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if name = strings.TrimSpace(name); name != "gzip" && name != "*" {
			continue
		}
		_, q, weighed := strings.Cut(strings.ReplaceAll(weight, " ", ""), "q=")
		if f, err := strconv.ParseFloat(q, 64); !weighed || err == nil && f > 0 {
			return true
		}
	}
	return false
}

func (p *page) flush() {
	if p.err == nil {
		_, p.err = p.to.Write(p.buf)
	}
	p.buf = p.buf[:0]
}

// family begins a family.
func (p *page) family(name string, k kind, help string) {
	p.name = name
	p.buf = append(append(append(append(p.buf, "# HELP "...), name...), ' '), help...)
	p.buf = append(append(append(append(p.buf, "\n# TYPE "...), name...), ' '), k...)
	p.buf = append(p.buf, '\n')
}

// sample adds a series of the family at hand. The labels are pairs as [label] makes them; "" is none.
func (p *page) sample(v float64, labels ...string) { p.series("", v, labels...) }

// series is sample for a series whose name goes on.
func (p *page) series(suffix string, v float64, labels ...string) {
	p.buf = append(append(p.buf, p.name...), suffix...)
	open := byte('{')
	for _, l := range labels {
		if l != "" {
			p.buf = append(append(p.buf, open), l...)
			open = ','
		}
	}
	if open == ',' {
		p.buf = append(p.buf, '}')
	}
	p.buf = append(strconv.AppendFloat(append(p.buf, ' '), v, 'g', -1, 64), '\n')
	if len(p.buf) >= pageBlock {
		p.flush()
	}
}

// alone is a family of one series without labels.
func (p *page) alone(name string, k kind, help string, v float64) {
	p.family(name, k, help)
	p.sample(v)
}

// label is a pair of a label's name and its value.
func label(name, value string) string {
	if strings.ContainsAny(value, "\\\"\n") || !utf8.ValidString(value) {
		value = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(value, "\ufffd"))
	}
	return name + `="` + value + `"`
}

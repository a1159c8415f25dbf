package main

import (
	"fmt"
	"html"
	"io"
	"strings"
)

const (
	rowHeight = 46
	labelEdge = 300 // where bars begin
	barSpace  = 400 // length of the longest bar
)

// draw makes a picture of CPU seconds a million records: a bar each for the limit and the engine.
func (r *report) draw(w io.Writer, list []workload) error {
	most := 0.0
	for _, x := range list {
		most = max(most, median(r.of(x.job, "engine", cpu)), median(r.of(x.job, "limit", cpu)))
	}
	var b strings.Builder
	height := 64 + rowHeight*len(list) + 24
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="820" height="%d" font-family="sans-serif" font-size="13">`, height)
	b.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/><text x="16" y="26" font-size="16" font-weight="bold">CPU seconds per million records</text>`)
	b.WriteString(`<rect x="16" y="38" width="12" height="12" fill="#1f6feb"/><text x="34" y="49">engine</text><rect x="96" y="38" width="12" height="12" fill="#b6c2cf"/><text x="114" y="49">limit: the same job by hand, nothing else</text>`)
	for i, x := range list {
		y := 64 + rowHeight*i
		fmt.Fprintf(&b, `<text x="16" y="%d">%s %s</text>`, y+22, x.job, html.EscapeString(x.title))
		bar := func(y int, value float64, color, text string) {
			length := value / most * barSpace
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="15" fill="%s"/><text x="%.1f" y="%d">%s</text>`, labelEdge, y, length, color, labelEdge+length+6, y+12, text)
		}
		e, l := median(r.of(x.job, "engine", cpu)), median(r.of(x.job, "limit", cpu))
		bar(y+3, e, "#1f6feb", fmt.Sprintf("%.2f (%.2f ×)", e, r.ratio(x.job, "engine")))
		bar(y+20, l, "#b6c2cf", fmt.Sprintf("%.2f", l))
	}
	fmt.Fprintf(&b, `<text x="16" y="%d" fill="#57606a" font-size="11">%s</text></svg>`, height-10, html.EscapeString(r.machine))
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

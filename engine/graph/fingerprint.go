package graph

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strconv"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
)

// fingerprints stamps every instance with all that makes it what it is: its map, the plugins it is made of with their
// versions, and what reaches it of the worker's settings. Order, places and descriptions are not in it.
func fingerprints(d *draft) {
	d.each(func(u *unit) { u.made.Fingerprint = fingerprint(u.made, d.worker) })
}

func fingerprint(i *Instance, w *config.Worker) Fingerprint {
	p := printer{sha256.New()}
	p.table(i.Config)
	p.plugin(i.Plugin)
	for _, s := range i.Task.Chain {
		p.plugin(s.Plugin)
		if s.Predicate != nil {
			p.plugin(s.Predicate.Plugin)
		}
	}
	for _, c := range []Converter{i.Task.Key, i.Task.Value, i.Task.Header} {
		p.plugin(c.Plugin)
		if c.Inherited {
			p.text(c.Class)
			p.table(c.Settings)
		}
	}
	p.text(i.Task.FlushInterval.String())
	p.text(i.Task.FlushTimeout.String())
	p.text(strconv.FormatBool(i.Task.Creation != nil))
	p.table(w.Base)
	for _, prefix := range config.Overrides(i.Role, i.Task.DeadLetter != nil) {
		switch prefix {
		case config.ProducerPrefix:
			p.table(w.Producer)
		case config.ConsumerPrefix:
			p.table(w.Consumer)
		case config.AdminPrefix:
			p.table(w.Admin)
		}
	}
	return Fingerprint(hex.EncodeToString(p.Sum(nil)))
}

// printer feeds a hash with texts, each with its length before it, so that no two contents give the same bytes.
type printer struct{ hash.Hash }

func (p printer) number(n int) {
	_, _ = p.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) // a hash never returns an error
}

func (p printer) text(s string) {
	p.number(len(s))
	_, _ = p.Write([]byte(s))
}

func (p printer) table(m map[string]string) {
	p.number(len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		p.text(k)
		p.text(m[k])
	}
}

func (p printer) plugin(d plugin.Descriptor) {
	p.text(d.Class)
	p.text(d.Version)
}

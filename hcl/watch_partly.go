package hcl

import (
	"slices"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

// again loads a project anew from what a look has seen. Where only files of pipelines differ, only those are parsed and
// evaluated; the result is the same.
func (p *Project) again(fresh *disk) (*Project, diag.List) {
	if p.foreign != nil {
		return readFiles(p.foreign, newDisk(fresh.given)), nil
	}
	if next, ok := p.partly(fresh); ok {
		return next, nil
	}
	return load(p.path, p.opts, newDisk(fresh.given))
}

// partly takes over the pipelines of files that are the same. It gives up where anything that pipelines share may differ, and
// at anything there is to say, since a whole load says it best.
func (p *Project) partly(fresh *disk) (*Project, bool) {
	if p.failed || !p.sameBeside(fresh) {
		return nil, false
	}
	l := newLoader(p.path, p.opts, newDisk(fresh.given))
	names, values, ok := l.list(p.path)
	if !ok || slices.ContainsFunc(values, func(v string) bool { return p.files[v] == nil }) {
		return nil, false
	}
	var kept, others []string
	for _, n := range names {
		if s := p.files[n]; s != nil && s.plain && p.same(question{kind: askSource, path: n}, fresh) {
			kept = append(kept, n)
		} else {
			others = append(others, n)
		}
	}
	l.read(others)
	for _, s := range l.sources {
		if was := p.files[s.name]; !s.onlyPipelines() && (was == nil || was.plain) {
			return nil, false // it declares for others what it did not before
		}
	}
	l.compile(values)
	if len(l.found) > 0 || !l.adopt(p, names, kept) {
		return nil, false
	}
	return l.finish(), true
}

// same reports whether a look gave the answer that the project was loaded with.
func (p *Project) same(q question, fresh *disk) bool {
	return p.disk.given[q].sum == fresh.given[q].sum
}

// sameBeside reports whether all that was read beside files of pipelines is the same.
func (p *Project) sameBeside(fresh *disk) bool {
	for q := range p.disk.given {
		if q.kind != askProject && !p.ofPipelines(q) && !p.same(q, fresh) {
			return false
		}
	}
	return true
}

func (p *Project) ofPipelines(q question) bool {
	s := p.files[q.path]
	return q.kind == askSource && s != nil && s.plain
}

// adopt takes over what the kept files of an earlier load declared; it refuses names that are there already.
func (l *loader) adopt(p *Project, names, kept []string) bool {
	byFile := map[string][]*config.Declared{}
	taken, keeps := map[string]bool{}, map[string]bool{}
	for _, d := range l.project.Pipelines {
		byFile[d.Place.File] = append(byFile[d.Place.File], d)
		taken[d.Name()] = true
	}
	for _, n := range kept {
		keeps[n], l.files[n] = true, p.files[n]
		for _, label := range p.files[n].labels {
			if l.pipelines[label] != nil {
				return false
			}
		}
	}
	for _, d := range p.Pipelines {
		if !keeps[d.Place.File] {
			continue
		}
		if taken[d.Name()] {
			return false
		}
		byFile[d.Place.File] = append(byFile[d.Place.File], d)
	}
	l.project.Pipelines = nil
	for _, n := range names {
		l.project.Pipelines = append(l.project.Pipelines, byFile[n]...)
	}
	for q, askers := range p.disk.askers {
		for _, l.disk.asker = range askers {
			if keeps[l.disk.asker] {
				l.disk.ask(q)
			}
		}
	}
	l.disk.asker = ""
	for _, n := range kept {
		_, _ = l.disk.source(n) // it was read, or its pipelines would not be there
	}
	return true
}

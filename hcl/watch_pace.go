package hcl

import (
	"slices"
	"time"
)

// When to look. What saves a file does so in a few steps within milliseconds; what copies a folder takes longer.
const (
	quiet     = 250 * time.Millisecond // without events before a look
	longest   = 2 * time.Second        // from the first event to a look, however many follow
	patience  = 2 * time.Second        // that a file must be empty or gone for
	lookEvery = 5 * time.Second        // without any event
)

// pace says when to look, from what happened when. It has no clock of its own; its zero value has seen nothing.
type pace struct {
	first, last time.Time            // events since the last look; zero: none
	missing     map[string]time.Time // since when files are empty or gone
}

// event notes that something has happened.
func (p *pace) event(now time.Time) {
	if p.first.IsZero() {
		p.first = now
	}
	p.last = now
}

// rest notes that a look has seen all that happened.
func (p *pace) rest() { p.first, p.last = time.Time{}, time.Time{} }

// due is when to look next; any is false when there is no reason to.
func (p *pace) due() (at time.Time, any bool) {
	if !p.first.IsZero() {
		at, any = p.last.Add(quiet), true
		if latest := p.first.Add(longest); latest.Before(at) {
			at = latest
		}
	}
	var ripe time.Time // when the youngest has been missing for long enough
	for _, since := range p.missing {
		if t := since.Add(patience); t.After(ripe) {
			ripe = t
		}
	}
	if !ripe.IsZero() && (!any || ripe.Before(at)) {
		at, any = ripe, true
	}
	return at, any
}

// suspect takes the files that a look found to be empty or gone: those that were not at the last look, those that are back
// since, and whether all have been missing for long enough to believe it, which is so when there are none.
func (p *pace) suspect(now time.Time, files []string) (added, back []string, ripe bool) {
	for f := range p.missing {
		if !slices.Contains(files, f) {
			back = append(back, f)
			delete(p.missing, f)
		}
	}
	slices.Sort(back)
	ripe = true
	for _, f := range files {
		since, known := p.missing[f]
		if !known {
			added = append(added, f)
			if p.missing == nil {
				p.missing = map[string]time.Time{}
			}
			p.missing[f], since = now, now
		}
		ripe = ripe && now.Sub(since) >= patience
	}
	return added, back, ripe
}

// believe forgets what is missing: a load has taken it as it is.
func (p *pace) believe() { p.missing = nil }

package registry

import (
	"context"
	"maps"
	"slices"
)

// configInScope is what holds for a subject: its own settings, over those of its context, over the defaults.
func (s *state) configInScope(subject string) configValue {
	c := configValue{Level: levelBackward}
	for _, at := range []string{scope(contextOf(subject)), subject} {
		set, ok := s.configs[at]
		if !ok {
			continue
		}
		if set.Level != "" {
			c.Level = set.Level
		}
		if set.Normalize != nil {
			c.Normalize = set.Normalize
		}
		if set.Group != "" {
			c.Group = set.Group
		}
	}
	return c
}

func (s *state) normalizes(subject string) bool {
	n := s.configInScope(subject).Normalize
	return n != nil && *n
}

// modeInScope is the mode that holds for a subject. The global READONLY_OVERRIDE holds for all.
func (s *state) modeInScope(subject string) mode {
	if s.modes[""] == modeReadOnlyOverride {
		return modeReadOnlyOverride
	}
	for _, at := range []string{subject, scope(contextOf(subject))} {
		if m, set := s.modes[at]; set {
			return m
		}
	}
	return modeReadWrite
}

// config is what is set for a subject, a context or, with "", globally; with inherited what holds.
func (b *books) config(subject string, inherited bool) (c configValue, err error) {
	err = b.read(func(s *state) error {
		var set bool
		if c, set = s.configs[subject]; inherited || subject == "" {
			c = s.configInScope(subject)
		} else if !set {
			return fail(40408, "Subject '%s' does not have subject-level compatibility configured", subject)
		}
		return nil
	})
	return c, err
}

// setConfig changes what is given, and leaves the rest.
func (b *books) setConfig(ctx context.Context, subject string, given configValue) error {
	return b.change(ctx, "Update config", func(s *state) ([]record, error) {
		if err := s.mayChange(subject); err != nil {
			return nil, err
		}
		c := s.configs[subject]
		c.Subject = subject
		if given.Level != "" {
			c.Level = given.Level
		}
		if given.Normalize != nil {
			c.Normalize = given.Normalize
		}
		if given.Group != "" {
			c.Group = given.Group
		}
		return []record{{key{Type: configRecord, Subject: subject}, c}}, nil
	})
}

// deleteConfig takes away what was set, and returns it.
func (b *books) deleteConfig(ctx context.Context, subject string) (was configValue, err error) {
	err = b.change(ctx, "Delete config", func(s *state) ([]record, error) {
		var set bool
		if was, set = s.configs[subject]; !set {
			if subject == "" {
				was.Level = levelBackward
				return nil, nil
			}
			return nil, noSubject(subject)
		}
		if err := s.mayChange(subject); err != nil {
			return nil, err
		}
		return []record{{key: key{Type: configRecord, Subject: subject}}}, nil
	})
	return was, err
}

// mode is the mode that is set, or with inherited the one that holds.
func (b *books) mode(subject string, inherited bool) (m mode, err error) {
	err = b.read(func(s *state) error {
		var set bool
		if m, set = s.modes[subject]; inherited || subject == "" {
			m = s.modeInScope(subject)
		} else if !set {
			return fail(40409, "Subject '%s' does not have subject-level mode configured", subject)
		}
		return nil
	})
	return m, err
}

// setMode sets a mode. Import begins with nothing, unless it is forced.
func (b *books) setMode(ctx context.Context, subject string, m mode, force bool) error {
	return b.change(ctx, "Update mode", func(s *state) ([]record, error) {
		set := record{key{Type: modeRecord, Subject: subject}, modeValue{subject, m}}
		if m != modeImport || force || s.modeInScope(subject) == modeImport {
			return []record{set}, nil
		}
		var records []record
		for _, of := range slices.Sorted(maps.Keys(s.subjects)) {
			_, name := split(subject)
			if of != subject && (name != "" || contextOf(of) != contextOf(subject)) {
				continue
			}
			if len(s.versions(of, false)) > 0 {
				return nil, notPermitted("Cannot import since found existing subjects")
			}
			records = append(records, record{key{Type: clearRecord, Subject: of}, deleteOf{of}})
		}
		return append(records, set), nil
	})
}

// deleteOf is the value of a clearRecord.
type deleteOf struct {
	Subject string `json:"subject"`
}

// deleteMode takes a mode away, and returns it.
func (b *books) deleteMode(ctx context.Context, subject string) (was mode, err error) {
	err = b.change(ctx, "Delete mode", func(s *state) ([]record, error) {
		var set bool
		if was, set = s.modes[subject]; !set {
			if subject == "" {
				was = modeReadWrite
				return nil, nil
			}
			return nil, noSubject(subject)
		}
		return []record{{key: key{Type: modeRecord, Subject: subject}}}, nil
	})
	return was, err
}

// deleteContext takes away a context in which there is nothing any more.
func (b *books) deleteContext(ctx context.Context, context string) error {
	return b.change(ctx, "Delete context", func(s *state) ([]record, error) {
		for subject := range s.subjects {
			if contextOf(subject) == context {
				return nil, fail(42211, "The specified context '%s' is not empty.", context)
			}
		}
		if !s.contexts[context] {
			return nil, fail(404, "HTTP 404 Not Found")
		}
		return append(s.forget(scope(context)), record{key: key{Type: contextRecord, Context: context}}), nil
	})
}

// contextNames are all contexts, the default one first.
func (s *state) contextNames() []string {
	names := maps.Clone(s.contexts)
	for subject := range s.subjects {
		names[contextOf(subject)] = true
	}
	names[defaultContext] = true
	return slices.Sorted(maps.Keys(names))
}

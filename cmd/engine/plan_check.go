package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/diff"
)

// checks is how many configurations a cluster checks at a time: some plugins ask a database.
const checks = 8

// tasksToo says what apply does beyond the change itself on a Kafka Connect that may not tell running tasks of it.
func (p *planned) tasksToo() {
	if !p.cluster.before(tellsTasks) {
		return
	}
	for i := range p.document.Entries {
		if e := &p.document.Entries[i]; e.Action == diff.Update && len(e.Changes) > 0 {
			e.Effects = append(e.Effects, diff.Effect{Kind: diff.Restart, Text: fmt.Sprintf("Kafka Connect %s may not tell running tasks of this (KAFKA-9228), so they are restarted as well", p.cluster.info.Version)})
		}
	}
}

// tooOld refuses what the cluster's version cannot do, before any of the rest is done.
func (p *planned) tooOld() diag.List {
	var found diag.List
	for _, e := range p.document.Entries {
		what, since := "", ""
		switch {
		case e.Action == diff.Rename:
			what, since = fmt.Sprintf("%q cannot become %q with its offsets", e.From, e.Name), beginsWith
		case e.Action == diff.Create && e.Target != "" && e.Target != config.Started:
			what, since = fmt.Sprintf("%q cannot be created %s", e.Name, strings.ToLower(string(e.Target))), beginsWith
		case e.Target == config.Stopped:
			what, since = fmt.Sprintf("%q cannot be stopped, only paused", e.Name), stops
		}
		if what != "" && p.cluster.before(since) {
			found = append(found, diag.New(diag.TooOld, p.placeOf(e.Name), "%s: that takes Kafka Connect %s, and %s runs %s.", what, since, p.cluster.URL(), p.cluster.info.Version))
		}
	}
	return found
}

// unaddressable refuses to touch connectors that a genuine Kafka Connect could create and never be asked about again: its
// HTTP server refuses paths in which a part has certain characters, however they are escaped.
func (p *planned) unaddressable() diag.List {
	var found diag.List
	for _, e := range p.document.Entries {
		if !p.cluster.genuine() || !e.Changed() || addressable(e.Name) && (e.From == "" || addressable(e.From)) {
			continue
		}
		found = append(found, diag.New(diag.InvalidName, p.placeOf(e.Name),
			"%s runs %s, which cannot be asked about a connector with /, %%, \\ or control characters in its name: it could not be changed or deleted by anybody. Choose another name for %q.",
			p.cluster.URL(), p.cluster.kind(), e.Name))
	}
	return found
}

// notHere warns of moved and removed blocks that say what a reload does not do.
func (p *planned) notHere() diag.List {
	if !p.cluster.standalone() {
		return nil
	}
	var found diag.List
	for _, m := range p.files.Moved {
		if _, was := p.live[m.From]; was && p.placeOf(m.From).IsZero() {
			found = append(found, diag.Warn(diag.NoEffect, m.Place,
				"A worker that reads its files by itself gives nothing a new name: %q ends, and %q begins anew. To let it go on from where the old one was, take the offsets along before applying:\n\n    engine offsets %s -json > offsets.json\n\nand set them afterwards:\n\n    engine stop %[4]s && engine offsets set %[4]s offsets.json && engine resume %[4]s", m.From, m.To, word(m.From), word(m.To)))
		}
	}
	for _, r := range p.files.Removed {
		if _, is := p.live[r.Name]; is && !r.Delete {
			found = append(found, diag.Warn(diag.NoEffect, r.Place,
				"A worker that reads its files by itself runs what they declare and nothing else: %q ends, whatever this block says.", r.Name))
		}
	}
	return found
}

// addressable reports whether Kafka Connect 4.3.1 answers to a name in a path.
func addressable(name string) bool {
	return name != "." && name != ".." && !strings.ContainsFunc(name, func(r rune) bool { return strings.ContainsRune(`/%\`, r) || unicode.IsControl(r) })
}

// placeOf is where a connector is declared.
func (p *planned) placeOf(name string) diag.Place {
	for _, d := range p.files.Pipelines {
		if d.Name() == name {
			return d.Place
		}
	}
	return diag.Place{}
}

// check lets the cluster say what is wrong with everything that would be written. Strictly, what it does not know is wrong.
func (p *planned) check(ctx context.Context, strict bool) diag.List {
	installed, err := p.cluster.Plugins(ctx)
	if err != nil {
		return explained(err)
	}
	declared := map[string]*config.Declared{}
	for _, d := range p.files.Pipelines {
		declared[d.Name()] = d
	}
	var mu sync.Mutex
	var found diag.List
	slots := make(chan struct{}, checks)
	var checking sync.WaitGroup
	for i := range p.document.Entries {
		e := &p.document.Entries[i]
		d := declared[e.Name]
		m, writes := e.Want()
		if !writes || d == nil || !e.Changed() || e.Action == diff.Adopt {
			continue
		}
		slots <- struct{}{}
		checking.Go(func() {
			defer func() { <-slots }()
			said := p.checkOne(ctx, d, m, installed, strict)
			mu.Lock()
			defer mu.Unlock()
			found = append(found, said...)
		})
	}
	checking.Wait()
	return found.Sorted()
}

// checkOne checks the plugins of a configuration and then lets the connector speak.
func (p *planned) checkOne(ctx context.Context, d *config.Declared, m config.Map, installed []api.PluginInfo, strict bool) diag.List {
	if found := p.installed(d, m, installed); len(found) > 0 {
		return found
	}
	v, err := p.cluster.Validate(ctx, m)
	if a, refused := errors.AsType[*api.AnswerError](err); refused {
		return diag.List{diag.New(diag.RejectedThere, d.Place, "%s says: %s", p.cluster.URL(), sentence(a.Message))}
	}
	if err != nil {
		w := diag.Warn(diag.RejectedThere, d.Place, "The cluster could not check %q, because it gave no answer: %s. It is checked again when it is applied.", d.Name(), err)
		w.Summary = "Not checked"
		return diag.List{w}
	}
	class := strings.TrimSpace(m[config.ConnectorClass])
	who := strings.TrimSpace(class[strings.LastIndexByte(class, '.')+1:] + " " + versionOf(installed, class))
	var found diag.List
	for _, c := range v.Configs {
		for _, said := range c.Value.Errors {
			found = append(found, rejected(d, m, who, c.Value.Name, c.Definition.Required, said))
		}
	}
	return append(found, unlisted(d, m, who, v, strict)...)
}

// passedOn reports whether a property is for others than the connector, who may take more than they name.
func passedOn(key string) bool {
	return slices.ContainsFunc([]string{
		config.KeyConverter, config.ValueConverter, config.HeaderConverter, config.Transforms, config.Predicates,
		"producer.override", "consumer.override", "admin.override", "topic.creation",
	}, func(part string) bool { return key == part || strings.HasPrefix(key, part+".") })
}

// unlisted warns of properties that nobody on the cluster has named among what it checks, and that are close to one that was
// named and is not set: a connector ignores what it does not know. Strictly, none that it has not named may be there, save what
// is passed on.
func unlisted(d *config.Declared, m config.Map, who string, v *api.Validation, strict bool) diag.List {
	listed := map[string]bool{}
	var unset []string
	for _, c := range v.Configs {
		listed[c.Value.Name] = true
		if _, set := m[c.Value.Name]; !set {
			unset = append(unset, c.Value.Name)
		}
	}
	var found diag.List
	for _, key := range m.Keys() {
		if listed[key] || key == diff.MarkProperty {
			continue
		}
		near := diag.DidYouMean(key, unset)
		at := d.At(key)
		at.Hidden = d.IsSecret(key)
		switch {
		case strict && !passedOn(key):
			found = append(found, diag.New(diag.RejectedThere, at, "%s does not know %s, which -strict refuses.%s", who, key, near))
		case near != "":
			found = append(found, diag.Warn(diag.ProbablyMisspelt, at, "%s does not know %s and will ignore it.%s", who, key, near))
		}
	}
	return found
}

// rejected is one complaint of the cluster, at the line that it is about.
func rejected(d *config.Declared, m config.Map, who, key string, required bool, said string) diag.Diagnostic {
	if _, set := m[key]; !set && required {
		return diag.New(diag.MissingThere, d.Place, "%s needs %s: write %s = ...", who, key, strings.ReplaceAll(key, ".", "_"))
	}
	at := d.At(key)
	if d.IsSecret(key) {
		// What is said of a secret may quote it (invariant 6).
		at.Hidden = true
		said = "it is not accepted"
	}
	return diag.New(diag.RejectedThere, at, "%s says about %s: %s", who, key, sentence(said))
}

// conditionClass is our predicate by expression.
const conditionClass = "penstock."

// installed checks that the cluster has every plugin that a configuration names.
func (p *planned) installed(d *config.Declared, m config.Map, plugins []api.PluginInfo) diag.List {
	var found diag.List
	for _, key := range m.Keys() {
		class := strings.TrimSpace(m[key])
		isClass := slices.Contains([]string{config.ConnectorClass, config.KeyConverter, config.ValueConverter, config.HeaderConverter}, key) ||
			strings.HasSuffix(key, ".type") && (strings.HasPrefix(key, config.Transforms+".") || strings.HasPrefix(key, config.Predicates+"."))
		if !isClass || class == "" || !strings.ContainsRune(class, '.') || has(plugins, class) {
			continue
		}
		at := d.At(key)
		if strings.HasPrefix(class, conditionClass) && strings.HasPrefix(key, config.Predicates+".") {
			found = append(found, diag.New(diag.NoConditions, at,
				"%s runs %s, which has no predicate for expressions. It has HasHeaderKey, RecordIsTombstone and TopicNameMatches: declare a predicate block and write when = predicate.NAME.",
				p.cluster.URL(), p.cluster.kind()))
			continue
		}
		var classes []string
		for _, i := range plugins {
			classes = append(classes, i.Class)
		}
		found = append(found, diag.New(diag.NotInstalled, at, "No worker of the cluster has a plugin of class %q.%s All of them: engine plugins -url %s",
			class, diag.DidYouMean(class, classes), p.cluster.URL()))
	}
	return found
}

func has(plugins []api.PluginInfo, class string) bool {
	bare, _, _ := strings.Cut(class, "$")
	return slices.ContainsFunc(plugins, func(p api.PluginInfo) bool { return p.Class == class || p.Class == bare })
}

func versionOf(plugins []api.PluginInfo, class string) string {
	for _, p := range plugins {
		if p.Class == class {
			return p.Version
		}
	}
	return ""
}

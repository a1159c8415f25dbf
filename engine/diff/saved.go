package diff

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

// savedFormat is the version of [Saved]. A file of another one is refused.
const savedFormat = 1

// Saved is a document kept in a file, with what it takes to carry it out later exactly as it was shown. It holds no
// secret: only a digest of each, against which the value is checked when the files are read again.
type Saved struct {
	Format    int                    `json:"engine_plan"`
	Version   string                 `json:"version"` // of the program that made it
	Made      time.Time              `json:"made"`
	Cluster   string                 `json:"cluster,omitempty"` // the name of its block
	ClusterID string                 `json:"kafka_cluster_id"`
	Document  *Document              `json:"document"`
	Configs   map[string]SavedConfig `json:"configurations"`
	Sum       string                 `json:"checksum"` // of everything else, against slips
}

// SavedConfig is the configuration that one entry asks for, and what it was compared with.
type SavedConfig struct {
	Live    string                 `json:"live,omitempty"` // salted digest of what the cluster had; "" when it had nothing
	Plain   config.Map             `json:"plain,omitempty"`
	Secrets map[string]SavedSecret `json:"secrets,omitempty"`
	Source  string                 `json:"source,omitempty"` // of the declaration
}

// SavedSecret stands for a value.
type SavedSecret struct {
	Digest string `json:"digest"`
	From   string `json:"from,omitempty"` // the place in the files
}

// Save makes a file's content of a document that has no errors.
func Save(d *Document, version, cluster, clusterID string, made time.Time, hidden func(*config.Declared) func(string) bool) ([]byte, error) {
	s := Saved{Format: savedFormat, Version: version, Made: made.UTC(), Cluster: cluster, ClusterID: clusterID, Document: d, Configs: map[string]SavedConfig{}}
	for i := range d.Entries {
		e := &d.Entries[i]
		if !e.Changed() {
			continue
		}
		var c SavedConfig
		if e.live != nil {
			c.Live = saltedDigest(everything(*e.live))
		}
		if m, ok := e.Want(); ok {
			c.keep(e.declared, m, hidden(e.declared))
		}
		s.Configs[e.Name] = c
	}
	sum, err := s.sum()
	if err != nil {
		return nil, err
	}
	s.Sum = sum
	return json.MarshalIndent(&s, "", "  ")
}

func (c *SavedConfig) keep(d *config.Declared, m config.Map, hidden func(string) bool) {
	c.Plain, c.Secrets, c.Source = config.Map{}, map[string]SavedSecret{}, placed(d.Place)
	for k, v := range m {
		if !hidden(k) {
			c.Plain[k] = v
			continue
		}
		c.Secrets[k] = SavedSecret{Digest: saltedDigest([]byte(v)), From: placed(d.At(k))}
	}
}

// sum is the digest of everything but the sum.
func (s Saved) sum() (string, error) {
	s.Sum = ""
	text, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("write a plan: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// everything is a connector's configuration, secrets too, and its mark.
func everything(l Connector) []byte {
	text := written(l.Config, func(string) bool { return false }, false)
	if l.Owner != nil {
		text = append(text, l.Owner.String()...)
	}
	return text
}

// ReadSaved reads a file's content. The error says in a sentence what is wrong with it.
func ReadSaved(text []byte) (*Saved, error) {
	var s Saved
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := json.Unmarshal(text, &struct {
		Format *int `json:"engine_plan"`
	}{&s.Format}); err != nil || s.Format == 0 {
		return nil, errors.New("it is not a saved plan")
	}
	if s.Format != savedFormat {
		return nil, fmt.Errorf("it has format %d, and this version knows format %d only", s.Format, savedFormat)
	}
	if err := d.Decode(&s); err != nil {
		return nil, errors.New("it has been changed since it was made")
	}
	if sum, err := s.sum(); err != nil || sum != s.Sum || s.Document == nil {
		return nil, errors.New("it has been changed since it was made")
	}
	return &s, nil
}

// Restore makes a document of a saved one that can be carried out: live is the cluster as it is now, and declared has the
// secrets, by the names of connectors. The list says why not.
func (s *Saved) Restore(live map[string]Connector, declared map[string]*config.Declared) (*Document, diag.List) {
	d := *s.Document
	d.Entries = slices.Clone(d.Entries)
	var found diag.List
	for i := range d.Entries {
		e := &d.Entries[i]
		if !e.Changed() {
			continue
		}
		saved := s.Configs[e.Name]
		found = append(found, s.unchanged(e, saved, live)...)
		if saved.Plain == nil {
			continue
		}
		m := maps.Clone(saved.Plain)
		found = append(found, saved.secrets(e.Name, m, declared[e.Name])...)
		e.declared = &config.Declared{Map: m, Place: place(saved.Source), Label: e.Name}
		if now := declared[e.Name]; now != nil {
			e.declared.Origins = now.Origins
		}
	}
	return &d, found
}

// unchanged checks that the cluster has what the plan was made with.
func (s *Saved) unchanged(e *Entry, saved SavedConfig, live map[string]Connector) diag.List {
	name := e.Name
	if e.From != "" {
		name = e.From
	}
	l, is := live[name]
	if is {
		e.live = &l
	}
	_, taken := live[e.Name]
	switch {
	case e.From != "" && taken:
		return diag.List{diag.New(diag.ChangedSince, place(saved.Source), "The cluster has a connector %q now, which it had not when the plan was made. Nothing was applied. Make a new plan.", e.Name)}
	case !is && saved.Live == "", is && digests(saved.Live, everything(l)) && e.Revision == l.Revision:
		return nil
	}
	what := fmt.Sprintf("%q is not as it was when the plan was made at %s.", name, s.Made.Format("2006-01-02 15:04:05 MST"))
	switch {
	case saved.Live == "":
		what = fmt.Sprintf("The cluster has a connector %q now, which it had not when the plan was made.", name)
	case !is:
		what = fmt.Sprintf("The cluster has no connector %q any more.", name)
	}
	return diag.List{diag.New(diag.ChangedSince, place(saved.Source), "%s Nothing was applied. Make a new plan.", what)}
}

// secrets fills in the secrets of a configuration, each of which must be the one that was planned.
func (c SavedConfig) secrets(name string, m config.Map, now *config.Declared) diag.List {
	var found diag.List
	for _, k := range slices.Sorted(maps.Keys(c.Secrets)) {
		value, is := "", false
		if now != nil {
			value, is = now.Map[k]
		}
		saved := c.Secrets[k]
		if !is || !digests(saved.Digest, []byte(value)) {
			at := place(saved.From)
			at.Hidden = true
			found = append(found, diag.New(diag.SecretDiffers, at,
				"The plan holds only a digest of %s of %q, and its value is another one now. Set the same value, or plan again.", k, name))
			continue
		}
		m[k] = value
	}
	return found
}

// place reads what placed wrote.
func place(text string) diag.Place {
	var p diag.Place
	if text == "" {
		return p
	}
	rest, column, ok := cutLast(text)
	if !ok {
		return diag.Place{File: text}
	}
	file, line, ok := cutLast(rest)
	if !ok {
		return diag.Place{File: text}
	}
	return diag.Place{File: file, Line: line, Column: column}
}

func cutLast(text string) (before string, n int, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", 0, false
	}
	if _, err := fmt.Sscanf(text[i+1:], "%d", &n); err != nil {
		return "", 0, false
	}
	return text[:i], n, true
}

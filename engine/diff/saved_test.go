package diff_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/diff"
)

func saved(t *testing.T) (p diff.Project, live map[string]diff.Connector, text []byte) {
	t.Helper()
	p, live = shop(t)
	text, err := diff.Save(diff.Compare(p, live, choices(t)), "1.2", "prod", "lkc-1", time.Unix(1700000000, 0), how(t).Hidden)
	if err != nil {
		t.Fatal(err)
	}
	return p, live, text
}

func byName(p diff.Project) map[string]*config.Declared {
	all := map[string]*config.Declared{}
	for _, d := range p.Pipelines {
		all[d.Name()] = d
	}
	return all
}

func TestASavedPlanIsCarriedOutAsShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, live, text := saved(t)
		if strings.Contains(string(text), "s3cr3t") {
			t.Error("the file holds a secret")
		}
		s, err := diff.ReadSaved(text)
		if err != nil {
			t.Fatal(err)
		}
		edited := byName(p)
		other := *edited["cdc-1"]
		other.Map = with(other.Map, "topic", "edited since")
		edited["cdc-1"] = &other
		d, found := s.Restore(live, edited)
		if len(found) > 0 {
			t.Fatal(found.Err())
		}
		c := newCluster(live)
		if done := diff.Apply(t.Context(), t.Context(), d, c, how(t)); !done.Complete() {
			t.Errorf("not complete: %+v", done)
		}
		if again := diff.Compare(p, c.live, choices(t)); !again.Counts.Nothing() {
			t.Errorf("there is something left: %+v", again.Counts)
		}
		if _, found := s.Restore(c.live, byName(p)); !found.HasErrors() {
			t.Error("a plan could be applied twice")
		}
	})
}

func TestASavedPlanIsRefusedWhenStale(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(p *diff.Project, live map[string]diff.Connector)
		want   []diag.Code
	}{
		"nothing": {func(*diff.Project, map[string]diff.Connector) {}, nil},
		"another configuration": {func(_ *diff.Project, live map[string]diff.Connector) {
			l := live["orders"]
			l.Config = with(l.Config, "tasks.max", "6")
			live["orders"] = l
		}, []diag.Code{diag.ChangedSince}},
		"another revision": {func(_ *diff.Project, live map[string]diff.Connector) {
			l := live["orders"]
			l.Revision = "9"
			live["orders"] = l
		}, []diag.Code{diag.ChangedSince}},
		"one that the plan does not touch": {func(_ *diff.Project, live map[string]diff.Connector) {
			l := live["same"]
			l.Revision = "9"
			live["same"] = l
		}, nil},
		"deleted": {func(_ *diff.Project, live map[string]diff.Connector) { delete(live, "legacy-sync") }, []diag.Code{diag.ChangedSince}},
		"created": {func(_ *diff.Project, live map[string]diff.Connector) { live["audit"] = theirs(sourceMap("audit"), "") }, []diag.Code{diag.ChangedSince}},
		"another secret": {func(p *diff.Project, _ map[string]diff.Connector) {
			p.Pipelines[1].Map["connection.password"] = "other"
		}, []diag.Code{diag.SecretDiffers}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, live, text := saved(t)
			s, err := diff.ReadSaved(text)
			if err != nil {
				t.Fatal(err)
			}
			tt.change(&p, live)
			_, found := s.Restore(live, byName(p))
			if diff := cmp.Diff(tt.want, codes(found)); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnEditedPlanIsRefused(t *testing.T) {
	t.Parallel()
	_, _, text := saved(t)
	for name, bad := range map[string]string{
		"not JSON":       "plan",
		"other JSON":     `{"a": 1}`,
		"another format": `{"engine_plan": 2}`,
		"edited":         strings.Replace(string(text), `"tasks.max": "4"`, `"tasks.max": "5"`, 1),
		"more":           strings.Replace(string(text), `"version"`, `"x": 1, "version"`, 1),
		"cut":            string(text[:len(text)/2]),
	} {
		if bad == string(text) {
			t.Fatalf("%s: the edit hit nothing", name)
		}
		if _, err := diff.ReadSaved([]byte(bad)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := diff.ReadSaved(text); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

// FuzzReadSaved: whatever a file holds, it is refused or can be restored; also when its sum has been made to fit.
func FuzzReadSaved(f *testing.F) {
	p, live := shop(f)
	text, err := diff.Save(diff.Compare(p, live, choices(f)), "1.2", "prod", "lkc-1", time.Unix(1700000000, 0), how(f).Hidden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"engine_plan": 1, "document": null, "checksum": ""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := diff.ReadSaved(text); err == nil {
			s.Restore(live, byName(p))
		}
		var edited diff.Saved
		if json.Unmarshal(text, &edited) == nil && edited.Document != nil {
			edited.Restore(live, byName(p))
		}
	})
}

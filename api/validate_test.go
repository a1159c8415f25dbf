package api_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/engine/plugin"
)

// mute is a source that does what a test says when it is asked about its settings.
type mute struct {
	plugin.Source
	say func()
}

func (m mute) Validate(plugin.Config) []error { m.say(); return nil }

// passing is a transform that does nothing.
type passing struct{ plugin.Transform }

func (passing) Configure(plugin.Config) error { return nil }

// TestAPluginThatDoesNotAnswerHangsNobody: a validation ends after a bounded time, whichever plugin is silent, and one that
// panics takes nothing with it.
func TestAPluginThatDoesNotAnswerHangsNobody(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]string{"silent": "has not answered within 30s", "panics": "ended in a panic"} {
		for _, which := range []string{"constructor", "validate", "transform"} {
			t.Run(which+" "+how, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					defer close(release)
					trouble := func(at string) {
						if at == which && how == "silent" {
							<-release
						} else if at == which {
							panic("s3cr3t")
						}
					}
					server := shared(t, &shelf{}, plugin.Descriptor{
						Name: "mute", Class: "x.Mute", Version: "1", Doc: "A source.",
						NewSource: func() plugin.Source { trouble("constructor"); return mute{say: func() { trouble("validate") }} },
					}, plugin.Descriptor{
						Name: "stage", Class: "x.Stage", Version: "1", Doc: "A transform.",
						NewTransform: func(plugin.Target) plugin.Transform { trouble("transform"); return passing{} },
					})
					config := `{"connector.class":"Mute","name":"n","transforms":"t","transforms.t.type":"x.Stage"}`
					for _, call := range [][3]string{
						{"PUT", "/connector-plugins/Mute/config/validate", config}, {"PUT", "/connectors/n/config", config},
						{"POST", "/connectors", `{"name":"n","config":` + config + `}`},
					} {
						began := time.Now()
						got := do(server, call[0], call[1], call[2])
						if body := got.Body.String(); got.Code != 500 || !strings.Contains(body, "[E011] x.") || !strings.Contains(body, want) || strings.Contains(body, "s3cr3t") {
							t.Errorf("%v: got %d %s", call, got.Code, body)
						}
						if took := time.Since(began); took > 31*time.Second {
							t.Errorf("%v took %s", call, took)
						}
					}
				})
			})
		}
	}
}

package clustertest_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestAFreshWorkerKnowsWhatWasWritten asks a worker, from the moment when it answers, for what another one has just stored: it
// has it, or says by Age that what it has is older (decision D3).
func TestAFreshWorkerKnowsWhatWasWritten(t *testing.T) {
	c := start(t, 2)
	first, fresh := c.workers[0], c.workers[1]
	first.begin()
	await(t, "the first to lead", func() (bool, string) { return first.healthy(), "" })
	topic := c.group + "-other"
	c.createTopics(topic)
	config := map[string]string{"connector.class": "FileStreamSource", "topic": topic, "file": filepath.Join(c.dir, "none")}
	for i := range 400 {
		first.must(http.MethodPut, fmt.Sprintf("/connectors/before-%d/config", i%20), mapWith(config, "batch.size", fmt.Sprint(1000+i)), map[bool]int{true: 201, false: 200}[i < 20])
	}
	for i := range 5 {
		fresh.launch()
		life, end := context.WithTimeout(t.Context(), 4*time.Second)
		var asking sync.WaitGroup
		asking.Go(func() {
			for k := 0; life.Err() == nil; k++ {
				name := fmt.Sprintf("visit-%d-%d", i, k)
				first.must(http.MethodPost, "/connectors", map[string]any{"name": name, "config": config}, http.StatusCreated)
				a := fresh.call(t.Context(), http.MethodGet, "/connectors/"+name, nil)
				if a.status == http.StatusNotFound && a.header.Get("Age") == "" {
					t.Errorf("the first worker created %s, of which the fresh one says %s\n%s", name, a, c.traces(name))
				}
				first.must(http.MethodDelete, "/connectors/"+name, nil, http.StatusNoContent)
			}
		})
		asking.Wait()
		end()
		fresh.kill()
	}
	first.stop()
}

func mapWith(m map[string]string, key, value string) map[string]string {
	with := maps.Clone(m)
	with[key] = value
	return with
}

package transform

import (
	"fmt"
	"testing"

	"github.com/penstock/penstock/engine/plugin/plugintest/vector"
)

// otherwise are recorded cases where we differ on purpose.
var otherwise = map[string]string{
	"T121": badMode, "T122": badMode, "T123": badMode, "T124": badMode, "T125": badMode, "T126": badMode,
	"T450": dateTopic, "T460": dateTopic, "T740": dateTopic, "T750": dateTopic,
}

const (
	badMode   = "a mode that there is not is refused when the configuration is read, where Debezium fails at the first delete"
	dateTopic = "a date is refused, where Aiven makes a topic name of blanks and colons that Kafka refuses"
)

// TestThirdPartyVectors runs what Debezium's and Aiven's own classes answered. Their messages show whole records, ours do
// not, so that of a failure only the stage counts.
func TestThirdPartyVectors(t *testing.T) {
	t.Parallel()
	r := registry(t)
	vector.Run(t, "third-party.jsonl", r.has, func(v *vector.Case) error {
		if reason, ok := otherwise[v.ID]; ok {
			return vector.Skip("%s", reason)
		}
		e := v.Expect.Error
		if e == nil {
			return r.try(v)
		}
		e.Class = "" // texts do not count
		if err := r.try(v); err != nil {
			return fmt.Errorf("%w; recorded: %s", err, *e.Message)
		}
		return nil
	})
}

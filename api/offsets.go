package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/penstock/penstock/store"
)

// The beginning and the end of all partitions, as the query parameter at of a sink's offsets names them.
const (
	AtEarliest = "earliest"
	AtLatest   = "latest"
)

// offset is one entry (Kafka Connect: ConnectorOffset).
type offset struct {
	Partition json.RawMessage `json:"partition"`
	Offset    json.RawMessage `json:"offset"`
}

// offsets answers what a connector has stored; with at, an addition, where a sink would go on that was sent to that time.
func (s *Server) offsets(c *call) (answer, error) {
	list, err := s.offsetsAsked(c)
	if err != nil {
		return answer{}, err
	}
	entries := []offset{}
	for _, o := range list {
		entries = append(entries, offset{o.Partition, o.Value})
	}
	return ok(map[string][]offset{"offsets": entries})
}

func (s *Server) offsetsAsked(c *call) ([]store.Offset, error) {
	at, asked := c.URL.Query()["at"]
	if !asked {
		return s.Offsets.Offsets(c.Context(), c.name())
	}
	when, known := map[string]int64{AtEarliest: -2, AtLatest: -1}[at[0]]
	if !known {
		var err error
		if when, err = strconv.ParseInt(at[0], 10, 64); err != nil || when < 0 {
			return nil, failure(http.StatusBadRequest, "at must be %s, %s or a time in milliseconds since the epoch, not '%s'", AtEarliest, AtLatest, at[0])
		}
	}
	return s.Offsets.OffsetsAt(c.Context(), c.name(), when)
}

func (s *Server) alterOffsets(c *call) (answer, error) {
	v, err := c.readJSON()
	if err != nil {
		return answer{}, err
	}
	object, err := members("The body", v, "offsets")
	if err != nil {
		return answer{}, err
	}
	if object["offsets"] == nil {
		object["offsets"] = []any{}
	}
	list, isList := object["offsets"].([]any)
	switch {
	case !isList:
		return answer{}, failure(http.StatusBadRequest, "offsets must be a JSON array, and it is %s", kindOf(object["offsets"]))
	case len(list) == 0:
		return answer{}, failure(http.StatusBadRequest, "Partitions / offsets need to be provided for an alter offsets request")
	}
	changes := make([]store.Offset, 0, len(list))
	for _, v := range list {
		entry, err := members("An entry of offsets", v, "partition", "offset")
		if err != nil {
			return answer{}, err
		}
		var change store.Offset
		if change.Partition, err = rawObject("partition", entry); err != nil {
			return answer{}, err
		}
		if change.Value, err = rawObject("offset", entry); err != nil {
			return answer{}, err
		}
		changes = append(changes, change)
	}
	agreed, err := s.Offsets.AlterOffsets(c.Context(), c.name(), changes)
	return changed("altered", agreed, err)
}

// rawObject is the JSON of a member that is an object, nil for null and for none.
func rawObject(name string, entry map[string]any) ([]byte, error) {
	if entry[name] == nil {
		return nil, nil
	}
	object, isObject := entry[name].(map[string]any)
	if !isObject {
		return nil, failure(http.StatusBadRequest, "%s must be a JSON object, and it is %s", name, kindOf(entry[name]))
	}
	return encode(object)
}

func (s *Server) deleteOffsets(c *call) (answer, error) {
	agreed, err := s.Offsets.ResetOffsets(c.Context(), c.name())
	return changed("reset", agreed, err)
}

func changed(what string, agreed bool, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	text := "The offsets for this connector have been " + what + " successfully"
	if !agreed {
		text = "The Connect framework-managed offsets for this connector have been " + what + " successfully. However, if this connector manages offsets externally, they will need to be manually " + what + " in the system that the connector uses."
	}
	return ok(map[string]string{"message": text})
}

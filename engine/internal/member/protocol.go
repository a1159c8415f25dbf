package member

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What workers tell each other through the group's coordinator. A group has the protocol type of Kafka Connect and a
// protocol name of its own, so that a Java worker that tries to join is refused by the coordinator (decision D2).
const (
	protocolType = "connect"
	protocolName = "penstock"
)

// announcement is what a member says of itself when it joins.
type announcement struct {
	ID      string            `json:"id"`
	Address string            `json:"address,omitempty"`
	Plugins map[string]string `json:"plugins,omitempty"`
}

// outcome is what the leader tells a member when all have joined. Who else is here is not in it: the coordinator keeps what
// each member is told in one record, which would grow with the square of the members and reach its limit at a hundred.
type outcome struct {
	Leader  string `json:"leader"` // its ID
	Address string `json:"address,omitempty"`
}

// Both are written as a version, two bytes, and deflated JSON. A reader takes any version from 1 on and passes over members
// that it does not know, so a later version may only add some.
const protocolVersion = 1

// mostMessage bounds what is inflated.
const mostMessage = 1 << 20

func encode(v any) []byte {
	var b bytes.Buffer
	b.Write(binary.BigEndian.AppendUint16(nil, protocolVersion))
	w, _ := flate.NewWriter(&b, flate.BestCompression) // the level is one that there is
	// A buffer takes everything, and texts and maps of texts have JSON.
	_ = json.NewEncoder(w).Encode(v)
	_ = w.Close()
	return b.Bytes()
}

func decode(b []byte, into any) error {
	if len(b) < 2 {
		return errors.New("a message of the group is too short")
	}
	if v := binary.BigEndian.Uint16(b); v < protocolVersion {
		return fmt.Errorf("a message of the group has version %d", v)
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b[2:])), mostMessage))
	if err != nil {
		return fmt.Errorf("inflate a message of the group: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read a message of the group: %w", err)
	}
	return nil
}

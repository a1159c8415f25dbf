package plugintest

import "github.com/penstock/penstock/engine/record"

// poison empties a batch and overwrites the memory that it keeps, as the next owner would, so that whoever kept a part of
// it fails without the build tag "invariants" too.
func poison(b *record.Batch) {
	for i := range b.Records {
		b.Records[i] = record.Record{Topic: "used after its batch was handed on"}
	}
	b.Reset()
	rest := b.Rest(1)
	for i := range rest {
		rest[i] = 0xDD
	}
	for range 4 {
		vs := b.Values(512)
		for i := range vs {
			vs[i] = record.OfString("used after its batch was handed on")
		}
	}
	b.Reset()
}

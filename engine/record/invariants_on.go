//go:build invariants

package record

// invariants makes a batch that was handed on be overwritten, so that whoever kept a part of it fails.
const invariants = true

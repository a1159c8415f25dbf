//go:build !invariants

package record

const invariants = false

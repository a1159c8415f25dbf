package store

import "crypto/rand"

// NewID makes a request's id: 26 letters and digits that nobody else has.
func NewID() string { return rand.Text() }

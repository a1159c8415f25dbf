//go:build !race

package model

// raced: the race detector is on.
const raced = false

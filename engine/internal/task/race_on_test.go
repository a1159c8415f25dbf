//go:build race

package task_test

// raceDetector drops pooled memory at random, so allocations say nothing.
const raceDetector = true

// Package compat runs the engine and a genuine Kafka Connect side by side and compares what comes out: bytes on topics,
// lines in files, offsets of groups, dead letters (decision D11). It has tests only, which are skipped unless
// `make compat` has started the genuine side and says so in the environment.
package compat

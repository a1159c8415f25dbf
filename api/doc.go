// Package api serves Kafka Connect's REST API over an engine: paths, methods, codes, bodies and texts of version 4.3.1
// (decision D6). Where it differs on purpose, docs/deviations.md says so.
//
// Start at [New] and [Server.Serve]. The routes stand in routes.go, in one table; a handler there takes a [call] and returns
// an answer or an error, and answer.go makes HTTP of both. What the server asks of an engine are the small interfaces in
// server.go. Reads take the store's newest snapshot and statuses and wait for nothing else; handlers start no goroutines.
//
// In standalone mode the configuration belongs to the project's files: calls that would change it answer 405 and name the
// file (decision D5).
package api

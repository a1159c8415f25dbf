// Package model holds the distributed protocol as an executable model, in its tests: small clusters, searched exhaustively
// for a history that breaks an invariant. The page engine/decisions/distributed.md says the same in words.
//
// cluster_test.go is about who runs a task: a group, leases, clocks that freeze, claims, plans, hand-overs and readers that
// lag (rules 2, 3, 6 and 7 of decision D2; invariant 5). log_test.go is about what is written: transactions, fencing,
// requests, the read barrier, and a Java worker that reads what was aborted (rule 4, D3; invariant 4). search_test.go
// searches. Each rule can be switched off, and then a history is found, which the tests tell in words.
package model

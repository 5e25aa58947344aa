// Package nodes is the contract between workflows and what can stand in them:
// kinds with their ports and arguments, the values that go from node to node,
// and the operations that a kind's nodes become. No node lives here; the kinds
// are in nodes/kinds. It is not a stable API before v1.
package nodes

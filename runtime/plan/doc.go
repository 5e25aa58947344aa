// Package plan turns a workflow file into a typed graph of steps with their
// action keys: what would run, from what, in which order.
package plan

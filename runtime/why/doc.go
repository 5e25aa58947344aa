// Package why says how what a node asks for differs from what was asked before: from the nearest action that the cache keeps or has evicted,
// or from those of another run's record. A difference has a type - an argument, an input, a file, a component of a model, the numerics, a
// version - and a place in the workflow file. That of an input is followed to its cause.
package why

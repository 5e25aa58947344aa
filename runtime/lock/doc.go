// Package lock pins what a workflow reads: castle.flow.lock beside castle.flow.yaml has the content of each file of each model, that of
// each input file, the versions of the kinds, and numerics and edition as they were resolved. It has no outputs and no times.
package lock

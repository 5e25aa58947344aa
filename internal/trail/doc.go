// Package trail keeps what a run went through - the key, the digests of outputs and the digests of steps of every node - and finds where two
// runs part: the first node, and of its loop the first step.
package trail

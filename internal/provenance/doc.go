// Package provenance keeps in a PNG file what made its picture, and reads it back: the workflow with its parameters' values, the
// numerics class, the release of flow, the lock's digest and the actions of the nodes. It also reads the parameters that other programs leave in
// their pictures. A picture is untrusted: chunks and what they expand to are bounded.
package provenance

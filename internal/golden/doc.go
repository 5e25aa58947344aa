// Package golden holds what a test expects: files that keep a value, and beside each a sidecar that says of which numerics class, action and
// release it is and what the run went through. It measures how far a value is from its golden and judges that by bounds.
package golden

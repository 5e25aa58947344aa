// Package arch holds the rules of which package may import which, as a test.
// ARCHITECTURE.md says why they are as they are.
package arch

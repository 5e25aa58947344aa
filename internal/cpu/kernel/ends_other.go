//go:build !amd64 || purego

package kernel

// tileCall is for assembly.
type tileCall struct{}

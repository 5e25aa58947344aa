//go:build !amd64 || purego

package kernel

// attendCall is for assembly.
type attendCall struct{}

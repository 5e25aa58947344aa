//go:build !amd64 || purego

package kernel

// tileCall and stripWork are for assembly.
type (
	tileCall  struct{}
	stripWork struct{}
)

// keep does nothing.
func (*stripWork) keep([]float32) {}

// emptied does nothing.
func (stripWork) emptied() stripWork { return stripWork{} }

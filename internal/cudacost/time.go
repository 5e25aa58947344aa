package cudacost

import (
	"math"

	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
)

// Bounds of a launch's time.
const (
	BoundTensor  = "tensor cores"
	BoundIssue   = "issue slots"
	BoundFloat   = "fp32 units"
	BoundInteger = "integer units"
	BoundSpecial = "special units"
	BoundShared  = "shared memory"
	BoundL1      = "L1"
	BoundL2      = "L2"
	BoundMemory  = "device memory"
	BoundLatency = "latency"
	BoundLaunch  = "launches"
)

// pipe is what a block keeps a part of a multiprocessor busy with.
type pipe struct {
	name   string
	cycles float64
}

// slots are instructions that schedulers issue, of all warps. Moves and parameters are none: ptxas makes registers and constant operands of them.
func slots(c *vm.Counters) float64 {
	all, _ := c.Instructions()
	return float64(all - c.Warps[vm.Move] - c.Warps[vm.ParamAccess])
}

// wavefronts are cycles of shared memory: with conflicts, and with what cp.async writes there and shuffles exchange.
func wavefronts(c *vm.Counters) float64 {
	return float64(c.SharedLoad.Units+c.SharedStore.Units+c.Matrix.Units+c.Warps[vm.Exchange]) + float64(c.Async.Bytes)/128
}

// sectors are bytes that go between multiprocessors and L2.
func sectors(c *vm.Counters) (read, written float64) {
	return 32 * float64(c.GlobalLoad.Units+c.Async.Units), 32 * float64(c.GlobalStore.Units)
}

// pipes are the cycles of a multiprocessor for all of a launch.
func (d *Device) pipes(c *vm.Counters) []pipe {
	const schedulers = 4
	warp := func(lanes int, classes ...vm.Class) (n float64) {
		for _, k := range classes {
			n += 32 * float64(c.Warps[k]) / float64(lanes)
		}
		return n
	}
	a := &Assumed
	read, written := sectors(c)
	return []pipe{
		{BoundTensor, float64(c.TensorFlops) * float64(d.Processors) * d.Clock / (d.Tensor * d.Sync)},
		{BoundIssue, slots(c) / schedulers},
		{BoundFloat, warp(d.Float, vm.Float, vm.Half)},
		{BoundInteger, warp(a.Integer, vm.Integer, vm.Compare)},
		{BoundSpecial, warp(a.Special, vm.Special) + warp(d.Convert, vm.Convert)},
		{BoundShared, wavefronts(c)},
		{BoundL1, (read + written) / float64(a.LoadStore)},
	}
}

// predict gives the seconds of a launch without its gap, and what bounds them. memory is the bytes of device memory that it reads and writes.
func (d *Device) predict(l *launch, c *vm.Counters, memory float64) (seconds float64, bound string) {
	blocks := float64(l.grid.Count())
	best := func(s float64, name string) {
		if s > seconds {
			seconds, bound = s, name
		}
	}
	busiest := math.Ceil(blocks / float64(d.Processors))
	alone, other := 0.0, 0.0
	for _, p := range d.pipes(c) {
		cycles := p.cycles / blocks
		best(busiest*cycles/d.Clock, p.name)
		switch p.name {
		case BoundTensor, BoundShared:
			alone += cycles
		case BoundIssue:
			other = max(other, Assumed.Alone*cycles)
		default:
			other = max(other, cycles)
		}
	}
	waves := math.Ceil(blocks / float64(d.Processors*d.resident(l.kernel, l.block.Count(), l.shared)))
	best(waves*(alone+other+Assumed.Fill*Assumed.Latency)/d.Clock, BoundLatency)
	read, written := sectors(c)
	best((read+written)/d.L2, BoundL2)
	best(memory/(d.Bandwidth*Assumed.Reach), BoundMemory)
	return seconds, bound
}

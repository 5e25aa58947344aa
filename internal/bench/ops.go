package bench

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// operation is one operation, as SDXL has it.
type operation struct {
	name  string
	build func(b *program.Builder) program.ID
	moves int64 // bytes read and written at least, where memory is the limit; 0 where arithmetic is
	cold  bool  // weights are packed each time
}

// operationList lists the operations that are measured: an operation's dimensions are divided by small in tests.
func operationList(prec program.Precision, small int) []operation {
	var list []operation
	for _, s := range [][3]int{{1024, 1280, 10240}, {4096, 640, 5120}} {
		rows, c, n := s[0]/small, s[1]/small, s[2]/small
		list = append(list, operation{name: fmt.Sprintf("linear %dx%d to %d", rows, c, n), build: func(b *program.Builder) program.ID {
			return nn.Linear(b, "linear", b.Input("x", program.Float32, 1, rows, c), n)
		}})
	}
	for _, s := range [][2]int{{320, 128}, {640, 64}, {1280, 32}} {
		c, side := s[0]/small, s[1]/small
		list = append(list, operation{name: fmt.Sprintf("convolution 3x3, %d channels, %dx%d", c, side, side), build: func(b *program.Builder) program.ID {
			return nn.Conv3x3(c).Apply(b, "conv", b.Input("x", program.Float32, 1, side, side, c))
		}})
	}
	for _, s := range [][2]int{{4096, 10}, {1024, 20}} {
		tokens, heads := s[0]/small, s[1]
		list = append(list, operation{name: fmt.Sprintf("attention %d tokens, %d heads of 64", tokens, heads), build: func(b *program.Builder) program.ID {
			q, k, v := b.Input("q", program.Float32, 1, tokens, 64*heads), b.Input("k", program.Float32, 1, tokens, 64*heads), b.Input("v", program.Float32, 1, tokens, 64*heads)
			return b.Attention(q, k, v, heads, 1/math.Sqrt(64), false)
		}})
	}
	for i := range list {
		list[i].name += ", " + prec.String()
	}
	return append(list, moving(prec, small)...)
}

// moving lists the operations whose limit is memory.
func moving(prec program.Precision, small int) []operation {
	side, tokens, wide := 128/small, 4096/small, 5120/small
	n := 10240 / small
	return []operation{
		{name: fmt.Sprintf("group norm and SiLU, 320 channels, %dx%d", side, side), moves: int64(2 * 4 * 320 * side * side), build: func(b *program.Builder) program.ID {
			return b.Activate(program.SiLU, nn.GroupNorm(b, "norm", 32, 1e-5, b.Input("x", program.Float32, 1, side, side, 320)))
		}},
		{name: fmt.Sprintf("layer norm %dx640", tokens), moves: int64(2 * 4 * 640 * tokens), build: func(b *program.Builder) program.ID {
			return nn.LayerNorm(b, "norm", 1e-5, b.Input("x", program.Float32, 1, tokens, 640))
		}},
		{name: fmt.Sprintf("GEGLU %dx%d", tokens, wide), moves: int64(4 * 3 * wide / 2 * tokens), build: func(b *program.Builder) program.ID {
			return b.GEGLU(b.Input("x", program.Float32, 1, tokens, wide))
		}},
		{name: fmt.Sprintf("packing weights, 1280 to %d, %s", n, prec), moves: int64(2 * 1280 * n), cold: true, build: func(b *program.Builder) program.ID {
			return nn.Linear(b, "linear", b.Input("x", program.Float32, 1, 1, 1280), n)
		}},
	}
}

// Operation is an operation as SDXL has it, as a program that runs it once.
type Operation struct {
	Name    string
	Program *program.Program
	Bytes   int64 // read and written at least, where memory is the limit; 0 where arithmetic is
}

// Operations lists what [Run] measures as operations, for those who measure otherwise; the packing of weights is not among them. Dimensions
// are divided by small, 32 at most.
func Operations(prec program.Precision, small int) (list []Operation) {
	for _, op := range operationList(prec, small) {
		if op.cold {
			continue
		}
		b := program.NewBuilder(op.name, prec)
		b.Output("y", op.build(b))
		list = append(list, Operation{op.name, program.Optimize(b.Program()), op.moves})
	}
	return list
}

// operations measures each operation.
func (r *runner) operations() error {
	small := 1
	if r.small {
		small = 32
	}
	for _, op := range operationList(r.Precision, small) {
		if err := r.operation(op); err != nil {
			return err
		}
	}
	return r.hashing()
}

// patience is the time after which an operation is not measured again: with plain Go one can take minutes.
const patience = 15 * time.Second

// errEnough ends a loop early.
var errEnough = errors.New("enough")

// operation measures one. It runs in a loop, as in a sampler, so that weights are packed once; a little of its result goes round.
func (r *runner) operation(op operation) error {
	b := program.NewBuilder(op.name, r.Precision)
	start := b.Input("start", program.Float32, 1)
	steps := r.Repeat + 1
	if !op.cold {
		b.Loop(steps)
	}
	y := op.build(b)
	flat := b.Reshape(y, program.Elems(b.Shape(y)))
	little := b.Slice(flat, 0, 0, 1)
	if op.cold {
		b.Output("little", little)
	} else {
		c := b.Carry("little", start)
		b.Next(c, little)
		b.EndLoop()
		b.Output("little", c)
	}
	p := program.Fuse(program.Prune(b.Program()))
	row := Row{Group: Ops, Name: op.name, Unit: FLOP, Limit: r.arithmetic(r.Precision, r.Threads)}
	if op.moves > 0 {
		row.Unit, row.Work, row.Limit = Bytes, float64(op.moves), readName("memory", r.Threads)
	} else {
		row.Work = 2 * float64(program.MACs(p)) / float64(steps)
	}
	exec, err := r.exec.Compile(p, program.Options{Weights: NewSynthetic(p), Threads: r.Threads})
	if err != nil {
		return err
	}
	defer func() { _ = exec.Close() }()
	in := Inputs(p)
	if op.cold {
		row.Seconds, err = r.sample(op.name, func() error {
			_, err := exec.Run(r.ctx, in, program.RunOptions{})
			return err
		})
	} else {
		row.Seconds, _, err = r.loop(op.name, p, exec, in, patience, nil)
		if len(row.Seconds) == 1 {
			row.Note = "measured once, with the packing of weights"
		}
		row.Seconds = rest(row.Seconds)
	}
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	r.report.add(row)
	return nil
}

// loop runs a program with a loop and gives the seconds of each step, the first with what runs once, and whether the results are finite.
// After the time that is given, if any, it ends with errEnough.
func (r *runner) loop(name string, p *program.Program, exec program.Exec, in map[string]program.Tensor, most time.Duration, parts *parts) (took []float64, finite bool, err error) {
	total := 0
	for i := range p.Instrs {
		if p.Instrs[i].Stage == program.Each {
			total += p.Steps
		} else {
			total++
		}
	}
	done, start := 0, time.Now()
	last := start
	out, err := exec.Run(r.ctx, in, program.RunOptions{
		OnInstr: func(i int, _ func(program.ID) program.Tensor) {
			parts.end(i)
			done++
			r.Progress(name, done, total)
			parts.begin()
		},
		OnStep: func(int, func() map[string]program.Tensor) error {
			took = append(took, seconds(time.Since(last)))
			last = time.Now()
			parts.next()
			if most > 0 && last.Sub(start) > most {
				return errEnough
			}
			return nil
		}})
	return took, err == nil && allFinite(out), err
}

// rest leaves out the first sample, which has the making of what is kept.
func rest(samples []float64) []float64 {
	if len(samples) < 2 {
		return samples
	}
	return samples[1:]
}

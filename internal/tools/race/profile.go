package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// spent is what the instructions of one shape took.
type spent struct {
	shape   string
	count   int
	seconds float64
	flops   float64
}

// profile runs a program without a loop twice and says what the second run took by shapes of operations, the longest first.
func profile(w io.Writer, x program.Exec, p *program.Program) error {
	if p.Steps > 0 {
		return errors.New("-profile is of a part without a loop: unet, vae or text")
	}
	in, ctx := inputs(p), context.Background()
	if _, err := x.Run(ctx, in, program.RunOptions{}); err != nil {
		return err
	}
	all := make(map[string]*spent)
	began := time.Now()
	last := began
	_, err := x.Run(ctx, in, program.RunOptions{OnInstr: func(i int, _ func(program.ID) program.Tensor) {
		shape := shapeOf(p, &p.Instrs[i])
		if all[shape] == nil {
			all[shape] = &spent{shape: shape}
		}
		s := all[shape]
		s.count++
		s.seconds += time.Since(last).Seconds()
		s.flops += 2 * float64(program.InstrMACs(p, &p.Instrs[i]))
		last = time.Now()
	}})
	if err != nil {
		return err
	}
	list := slices.SortedFunc(maps.Values(all), func(a, b *spent) int { return cmp.Compare(b.seconds, a.seconds) })
	fmt.Fprintf(w, "%8s %6s %10s  %.2f s in all\n", "seconds", "times", "GFLOP/s", time.Since(began).Seconds())
	for _, s := range list {
		rate := ""
		if s.flops > 0 {
			rate = fmt.Sprintf("%.1f", s.flops/s.seconds/1e9)
		}
		fmt.Fprintf(w, "%8.3f %6d %10s  %s\n", s.seconds, s.count, rate, s.shape)
	}
	return nil
}

// shapeOf names an instruction by its sort, its operands' shapes and what was fused into it.
func shapeOf(p *program.Program, in *program.Instr) string {
	op, ok := in.Op.(*program.Product)
	if !ok {
		var shapes []string
		for _, v := range in.In {
			if v != program.None {
				shapes = append(shapes, size(p.Shape(v)))
			}
		}
		return in.Op.Name() + " of " + strings.Join(shapes, ", ")
	}
	var terms []string
	for _, s := range op.Segments {
		terms = append(terms, size(p.Shape(in.In[s.X]))+" by "+size(p.Shape(in.In[s.W])))
	}
	out := "product " + strings.Join(terms, " and ")
	if op.Epilogue.Gated {
		out += ", GEGLU"
	}
	if op.Epilogue.Residual > 0 {
		out += ", residual"
	}
	if len(in.Out) > 1 {
		out += ", moments"
	}
	return out
}

// size writes a shape.
func size(shape []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", "x")
}

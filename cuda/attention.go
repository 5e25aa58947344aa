package cuda

import (
	"math"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// attentionJob is Attention of attention.cu.
type attentionJob struct {
	Y, Q, K, V                              uint64
	T, S, C, D, KeysStep, Causal, Vectorise int32
	Scale                                   float32
}

// The queries and keys that a block of attention.cu treats at once.
const (
	tileQueries = 16
	tileKeys    = 128
)

func (x *exec) attentionJob(q, k program.ID, heads int, scale float64) attentionJob {
	qs, ks := x.image(q), x.image(k)
	d := qs.c / heads
	return attentionJob{T: int32(qs.w), S: int32(ks.w), C: int32(qs.c), D: int32(d), KeysStep: flag(ks.b > 1),
		Vectorise: flag(d%4 == 0), Scale: float32(scale * math.Log2E)}
}

// byPrecision is the name of a kernel that comes in two precisions.
func byPrecision(name string, p program.Precision) string {
	if p == program.BF16 {
		return name + "_bf16"
	}
	return name + "_f32"
}

func (x *exec) attention(in *program.Instr, op *program.Attention) []action {
	job := x.attentionJob(in.In[0], in.In[1], op.Heads, op.Scale)
	var actions []action
	job.Q, job.K, job.V, actions = x.wide(in.In[0], in.In[1], in.In[2])
	job.Y, job.Causal = uint64(x.at(in.Out[0])), flag(op.Causal)
	if x.isHalf(in.Out[0]) {
		job.Y = x.scratch(int64(x.p.Value(in.Out[0]).Elems()))[0]
	}
	grid := driver.Dim{X: div(int(job.T), tileQueries), Y: op.Heads, Z: x.image(in.In[0]).b}
	launch := func(job attentionJob) {
		actions = append(actions, x.launch(byPrecision("attention", op.Prec), grid, driver.D1(block), x.table(job)))
	}
	launch(job)
	n := program.Elems(x.p.Shape(in.Out[0]))
	for _, s := range op.Second {
		more := x.attentionJob(in.In[0], in.In[s.K], op.Heads, op.Scale)
		var how []action
		_, more.K, more.V, how = x.wide(program.None, in.In[s.K], in.In[s.V])
		actions = append(actions, how...)
		more.Q, more.Y = job.Q, x.scratch(int64(n))[0]
		launch(more)
		if s.Scale != 1 {
			actions = append(actions, x.each("affine", n, 1, more.Y, more.Y, n, s.Scale, float32(0)))
		}
		actions = append(actions, x.each("add", n, 1, job.Y, job.Y, more.Y, n))
	}
	if x.isHalf(in.Out[0]) {
		actions = append(actions, x.round(uint64(x.at(in.Out[0])), job.Y, n))
	}
	return append(actions, x.columnsToo(in, op)...)
}

// columns sums the attention that keys receive: each query's maximum and sum, each head's columns, their average.
func (x *exec) columns(in *program.Instr, op *program.AttentionColumns) []action {
	return x.columnsOf(in, in.Out[0], x.image(in.In[0]).b, op.Heads, op.Scale, op.Prec)
}

// columnsToo makes the columns that an attention gives beside its result.
func (x *exec) columnsToo(in *program.Instr, op *program.Attention) []action {
	if op.Columns == 0 {
		return nil
	}
	return x.columnsOf(in, in.Out[1], op.Columns, op.Heads, op.Scale, op.Prec)
}

// columnsOf is columns of the first b batch entries of the queries and keys of an instruction.
func (x *exec) columnsOf(in *program.Instr, out program.ID, b, heads int, scale float64, prec program.Precision) (actions []action) {
	job := x.attentionJob(in.In[0], in.In[1], heads, scale)
	job.Q, job.K, _, actions = x.wide(in.In[0], in.In[1], program.None)
	t, s := int(job.T), int(job.S)
	memory := x.scratch(int64(b*heads)*2*int64(t), int64(b*heads)*int64(s))
	tops, sums := job, job
	tops.Y, sums.Y, sums.V = memory[0], memory[1], memory[0]
	return append(actions,
		x.launch(byPrecision("attention_tops", prec), driver.Dim{X: div(t, tileQueries), Y: heads, Z: b}, driver.D1(block), x.table(tops)),
		x.launch(byPrecision("attention_sums", prec), driver.Dim{X: div(s, tileKeys), Y: heads, Z: b}, driver.D1(block), x.table(sums)),
		x.each("attention_average", b*s, 1, x.at(out), memory[1], b*s, s, heads))
}

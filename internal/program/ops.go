package program

// Op is one operation's attributes. The set is closed: executors switch over it.
type Op interface {
	// Name is the operation's short name, for traces and reports.
	Name() string
}

// Segment is one stretch of the inner dimension of a [Product].
//
// A segment multiplies input X (In[X]) by the slice of weight W (In[W]) that
// begins at input channel WOffset. With KH = KW = 1 and Stride 1 it is a linear
// layer or a 1x1 convolution; otherwise a convolution with zero border.
type Segment struct {
	X, W            int // indices into Instr.In
	WOffset         int // first input channel of the weight that belongs to X
	KH, KW          int
	Stride          int
	PadTop, PadLeft int // the border at the bottom and right follows from the output's size
	// Doubled says that X is read as if [Upsample] had made it twice as high and wide. [Fuse] sets it, in products by Winograd's algorithm.
	Doubled bool
}

// Algorithm is in which order a product is summed. It is a part of what the product means, chosen by the code that builds it.
type Algorithm uint8

// Algorithms of products (docs/numerics.md, Products and Winograd).
const (
	Direct   Algorithm = iota // term by term
	Winograd                  // F(4x4, 3x3), of one 3x3 convolution with stride 1, in fp32
)

// Product computes linear layers and convolutions (docs/numerics.md, Products):
// several segments summed into one accumulator that starts at the biases.
//
// In: the operands that Segments, Biases and BatchBias index. An input is
// [B,H,W,C] or [B,T,C] or [B,C]; a weight is [N,C] or [N,C,KH,KW] as in the files of diffusers; a
// bias is [N]; the batch bias is [B,N]. Out: [B,H',W',N], [B,T,N] or [B,N]; where no input is an
// image, any shape [B,...,N] of as many elements. A second Out, [B,H',2,N], is there where [Fuse] has asked for
// the moments that a group norm takes of the first, read as an image: for each row and channel the mean and
// the sum of squared differences (docs/numerics.md, Reductions).
type Product struct {
	Segments  []Segment
	Biases    []int // indices into Instr.In of vectors [N], added in this order
	BatchBias int   // index into Instr.In of a [B,N] value, or -1
	Prec      Precision
	Algorithm Algorithm
	Epilogue  Epilogue // empty unless the fuse pass has put something here
}

// Epilogue is what a product does to its sums before it stores them, in the order of the fields. Each part
// gives the bits of the operation that it replaces.
type Epilogue struct {
	Gated    bool       // [GEGLU]: the sums have 2N channels
	Act      Activation // [Activate]
	Residual int        // [Add]: index into Instr.In of a value with the elements of Out; 0 for none
}

// Attention computes softmax(Scale * Q K^T) V by heads.
//
// In: q [B,T,C], k [B,S,C], v [B,S,C]; C is divided into Heads equal parts.
// k and v may have batch 1 where q has B: they serve every entry. With Causal, query t sees keys 0..t.
// Out: [B,T,C].
//
// [Fuse] may have put more here, each with the bits of the operations that it replaces. For each of Second the result of another attention with the
// same queries is multiplied by a number and added, in order. With Columns there is a second Out, [Columns,S]: the [AttentionColumns] of the first
// batch entries.
type Attention struct {
	Heads   int
	Scale   float64
	Causal  bool
	Prec    Precision
	Second  []Second
	Columns int
}

// Second is a second set of keys and values of an [Attention], such as those of an image prompt.
type Second struct {
	K, V  int     // indices into Instr.In of values [B,S,C] or [1,S,C]
	Scale float32 // what its result is multiplied by before it is added, as [Affine] does; 1 leaves it as it is
}

// AttentionColumns gives the attention that each key receives, summed over the queries and averaged over the heads: the
// columns of softmax(Scale * Q K^T), which is never stored. Their mean is 1 where there are as many queries as keys.
//
// In: q [B,T,C], k [B,S,C]. Out: [B,S] (docs/numerics.md, Self-attention guidance).
type AttentionColumns struct {
	Heads int
	Scale float64
	Prec  Precision
}

// GroupNorm normalises each group of channels over all pixels (Wu and He, 2018).
//
// In: gamma [C], beta [C], then one or more inputs [B,H,W,Ci] (or [B,T,Ci]) that are read as if
// concatenated along the channels, then values that Moments indexes. Out: [B,H,W,C]. Act is applied to the result.
type GroupNorm struct {
	Groups int
	Eps    float32
	Act    Activation // ActNone unless the fuse pass has put one here
	// Moments are indices into Instr.In, one for each input: the second Out of the product that makes the input, or
	// 0 where there is none. nil means none. They only save taking them again.
	Moments []int
}

// Inputs are the values that in, a group norm, normalises.
func (op *GroupNorm) Inputs(in *Instr) []ID {
	if op.Moments == nil {
		return in.In[2:]
	}
	return in.In[2 : 2+len(op.Moments)]
}

// LayerNorm normalises the last dimension. In: x [...,C], gamma [C], beta [C]
// (either may be None). Out: as x.
type LayerNorm struct{ Eps float32 }

// Activation is a pointwise function (docs/numerics.md, Functions).
type Activation uint8

// Pointwise functions.
const (
	ActNone Activation = iota
	SiLU
	GELU      // exact, by erf
	QuickGELU // x * sigmoid(1.702 x)
	GELUTanh  // the tanh approximation
	ReLU
)

// String names the function as configuration files do.
func (a Activation) String() string {
	return [...]string{"none", "silu", "gelu", "quick_gelu", "gelu_new", "relu"}[a]
}

// Activate applies a pointwise function. In: x. Out: as x.
type Activate struct{ Act Activation }

// GEGLU computes value * gelu(gate) (Shazeer, 2020). In: x [...,2N], the values
// before the gates. Out: [...,N].
type GEGLU struct{}

// Add adds two values of one shape. In: a, b. Out: a + b.
type Add struct{}

// Affine computes x*Mul + Add, two roundings. In: x. Out: as x.
type Affine struct{ Mul, Add float32 }

// Upsample enlarges by nearest neighbour as torch's interpolate does:
// source row = min(floor(row * float32(in)/float32(out)), in-1). In: x [B,H,W,C]. Out: [B,OutH,OutW,C].
type Upsample struct{ H, W int }

// Embed looks rows up and adds positions. In: ids [B,T] (Int32), table [V,C],
// positions [P,C] or None with P >= T. Out: [B,T,C] = table[id] + positions[t].
type Embed struct{}

// Sinusoid embeds scalars (Vaswani et al., 2017, as in diffusers'
// get_timestep_embedding with downscale_freq_shift Shift and scale 1). In: x [B,n].
// Out: [B, n*Dim]: for each scalar Dim/2 sines and Dim/2 cosines, cosines first if CosFirst.
type Sinusoid struct {
	Dim       int
	MaxPeriod float64 // 10000
	Shift     float64 // downscale_freq_shift
	CosFirst  bool    // flip_sin_to_cos
}

// Row picks one row of each batch entry. In: x [B,T,C], index [B] (Int32). Out: [B,C].
type Row struct{}

// StepRow picks the current step's row of a table. In: table [S,...]. Out: [1,...].
// It runs in stage Each only.
type StepRow struct{}

// Concat joins values along Axis. In: two or more. Out: the joined value.
type Concat struct{ Axis int }

// Slice cuts [Start,End) out of Axis. In: x. Out: the cut.
type Slice struct{ Axis, Start, End int }

// Repeat repeats batch entry 0 Times times. In: x [1,...]. Out: [Times,...].
type Repeat struct{ Times int }

// Reshape gives the same elements another shape. In: x, or a weight, which becomes fp32. Out: x's elements in order.
type Reshape struct{}

// Guidance combines two predictions (Ho and Salimans, 2022):
// out = u + Scale*(c - u), three roundings. In: u, c. Out: as u.
type Guidance struct{ Scale float32 }

// SelfGuidance adds self-attention guidance (Hong et al., 2023): out = g + Scale*(u - d), three roundings. In: the guided
// prediction g, the unconditional one u, that for the degraded latents d. Out: as g.
type SelfGuidance struct{ Scale float32 }

// Degrade blurs what a denoiser sees of the picture where attention lies and makes it as noisy as before.
//
// In: x [B,H,W,C], model output as x, columns [B,MapH*MapW] of [AttentionColumns], coefficients [1,4] of which alpha_t and sigma_t
// are read. Out: as x. x0 and e follow from x and output as in [SolverStep]; x0 is blurred by Taps along rows and columns (borders
// reflect) where the column of the cell is greater than 1, cells enlarged by nearest neighbour; out = alpha_t*x0' + sigma_t*e.
type Degrade struct {
	MapH, MapW int
	Taps       []float32 // of the blur, an odd number that adds up to 1
	Prediction Prediction
}

// Prediction is what a denoiser's output means.
type Prediction uint8

// Prediction types of diffusers' schedulers.
const (
	PredictEpsilon Prediction = iota
	PredictV
	PredictSample
)

// SolverStep is one step of DDIM (Song et al., 2021) without added noise.
//
// In: x, model output, coefficients [1,4] = alpha_t, sigma_t, alpha_prev, sigma_dir. Out: as x.
// With epsilon: x0 = (x - sigma_t*e)/alpha_t; v: x0 = alpha_t*x - sigma_t*v, e = alpha_t*v + sigma_t*x;
// sample: x0 = output, e = (x - alpha_t*x0)/sigma_t. Then out = alpha_prev*x0 + sigma_dir*e. Each
// multiplication, subtraction, division and addition is rounded.
type SolverStep struct{ Prediction Prediction }

// Normals draws standard normal numbers as torch.randn does on a CUDA device (internal/curand), channels first as the reference does.
//
// In: seeds [B,2] (Int32), the lower and the upper 32 bits of each entry's. Out: [B,H,W,C]: the numbers of an entry are those of [C,H,W] in
// order. Threads is how many threads the device runs at once; 0 stands for enough.
type Normals struct{ Threads int }

// Name implements Op.
func (*Product) Name() string          { return "product" }
func (*Attention) Name() string        { return "attention" }
func (*AttentionColumns) Name() string { return "attention-columns" }
func (*Degrade) Name() string          { return "degrade" }
func (*SelfGuidance) Name() string     { return "self-guidance" }
func (*GroupNorm) Name() string        { return "group-norm" }
func (*LayerNorm) Name() string        { return "layer-norm" }
func (*Activate) Name() string         { return "activate" }
func (*GEGLU) Name() string            { return "geglu" }
func (*Add) Name() string              { return "add" }
func (*Affine) Name() string           { return "affine" }
func (*Upsample) Name() string         { return "upsample" }
func (*Embed) Name() string            { return "embed" }
func (*Sinusoid) Name() string         { return "sinusoid" }
func (*Row) Name() string              { return "row" }
func (*StepRow) Name() string          { return "step-row" }
func (*Concat) Name() string           { return "concat" }
func (*Slice) Name() string            { return "slice" }
func (*Repeat) Name() string           { return "repeat" }
func (*Reshape) Name() string          { return "reshape" }
func (*Guidance) Name() string         { return "guidance" }
func (*SolverStep) Name() string       { return "solver-step" }
func (*Normals) Name() string          { return "normals" }

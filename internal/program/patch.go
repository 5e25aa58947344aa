package program

// Factor is one matrix or convolution of a [Patch]: a weight under its full name, such as
// "lora.0/unet/conv_in.down", with the shape that it has in its file: [N,C] or [N,C,K,K].
type Factor struct {
	Name  string
	Shape []int
}

// Patch is a low-rank addition to a weight that stays as it is: the layer's result grows by
// Up(Scale * Mid(Down(x))). Down, or Mid where there is one, has the kernel of the layer.
type Patch struct {
	Down, Up Factor
	Mid      *Factor // nil for none
	Scale    float32
}

// Patches has the additions to weights by their full names ("unet/conv_in.weight"), in the order in
// which they are added.
type Patches map[string][]Patch

// Patch says what is added to weights from here on.
func (b *Builder) Patch(p Patches) { b.patches = p }

// PatchesOf lists the additions to a weight.
func (b *Builder) PatchesOf(w ID) []Patch { return b.patches[b.p.Values[w].Name] }

// Factor declares the weight of a factor: its name is full, whatever the scope.
func (b *Builder) Factor(f Factor) ID { return b.weight(f.Name, f.Shape) }

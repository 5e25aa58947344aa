package conformance

import "github.com/seed-8af8f8e1/flow/internal/program"

// A weight that lies between two bf16 numbers may be rounded to the other one where its last bits differ.
const roundedWeights = 2e-4

// attention is a case of t queries and s keys over c channels.
func attention(name string, t, s, c, heads int, causal bool) Case {
	return Case{Name: "attention/" + name, Bound: 2e-6, BF16: roundedWeights, build: func(b *program.Builder, n int) {
		q, k, v := input(b, "q", n, t, c), input(b, "k", n, s, c), input(b, "v", n, s, c)
		b.Output("y", b.Attention(q, k, v, heads, 0.3, causal))
	}}
}

// keySet is the number of keys of a second set, the scale of its result, and whether they are those of batch 1.
type keySet struct {
	n     int
	scale float32
	one   bool
}

// second is a case with further sets of keys, added in order.
func second(name string, t, s, c, heads int, scale float64, one bool, sets ...keySet) Case {
	return Case{Name: "attention/" + name, Bound: 2e-6, BF16: roundedWeights, build: func(b *program.Builder, n int) {
		of := func(one bool) int {
			if one {
				return 1
			}
			return n
		}
		q := input(b, "q", n, t, c)
		y := b.Attention(q, input(b, "k", of(one), s, c), input(b, "v", of(one), s, c), heads, scale, false)
		for i, set := range sets {
			name := string(rune('a' + i))
			o := b.Attention(q, input(b, "k"+name, of(set.one), set.n, c), input(b, "v"+name, of(set.one), set.n, c), heads, scale, false)
			if set.scale != 1 {
				o = b.Affine(o, set.scale, 0)
			}
			y = b.Add(y, o)
		}
		b.Output("y", y)
	}}
}

func attentions() []Case {
	sharp := attention("sharp", 9, 40, 16, 2, false)
	sharp.fill = map[string]number{"q": number(normal).times(16)}
	growing := attention("greatest key in the last block", 3, 1030, 8, 1, false)
	growing.fill = map[string]number{"k": growingKeys(8)}
	return []Case{
		attention("1x1x1", 1, 1, 1, 1, false),
		attention("one key", 5, 1, 12, 3, false),
		attention("one query", 1, 77, 12, 3, false),
		attention("odd heads", 7, 9, 21, 3, false),
		attention("one channel a head", 7, 9, 5, 5, false),
		attention("17 channels a head", 50, 33, 34, 2, false),
		attention("64 channels a head", 20, 20, 128, 2, false),
		attention("130 channels", 5, 20, 130, 1, false),
		attention("511 keys", 3, 511, 6, 2, false),
		attention("512 keys", 3, 512, 6, 2, false),
		attention("513 keys", 3, 513, 6, 2, false),
		attention("1025 keys", 2, 1025, 7, 1, false),
		attention("causal", 20, 20, 12, 3, true),
		attention("causal, one", 1, 1, 12, 3, true),
		attention("causal, two blocks", 520, 520, 5, 1, true),
		sharp, growing,
		{Name: "attention/keys of batch 1", Bound: 2e-6, BF16: roundedWeights, build: func(b *program.Builder, n int) {
			q, k, v := input(b, "q", n, 11, 15), input(b, "k", 1, 8, 15), input(b, "v", 1, 8, 15)
			b.Output("y", b.Attention(q, k, v, 3, 1, false))
		}},
		second("image prompt", 21, 30, 24, 2, 1, false, keySet{5, 1, false}),
		second("image prompts", 70, 77, 128, 2, 0.7, true, keySet{4, 0.6, false}, keySet{600, -1.25, true}, keySet{1, 1, true}),
		second("image prompt of odd heads", 9, 8, 21, 3, 1, false, keySet{16, 0, false}),
		{Name: "attention/with columns of half", Bound: 2e-6, BF16: roundedWeights, build: func(b *program.Builder, n int) {
			two := func(name string) program.ID {
				return b.Concat(0, input(b, name, n, 75, 16), input(b, name+"2", n, 75, 16))
			}
			q, k, v := two("q"), two("k"), two("v")
			y := b.Attention(q, k, v, 2, 0.4, false)
			b.Output("first", b.Slice(y, 0, 0, n))
			b.Output("second", b.Slice(y, 0, n, 2*n))
			b.Output("columns", b.AttentionColumns(b.Slice(q, 0, 0, n), b.Slice(k, 0, 0, n), 2, 0.4))
		}},
		{Name: "attention/with columns", Bound: 2e-6, BF16: roundedWeights, build: func(b *program.Builder, n int) {
			x := input(b, "x", n, 520, 6)
			columns := b.AttentionColumns(x, x, 3, 0.4)
			b.Output("columns", columns)
			b.Output("y", b.Attention(x, x, x, 3, 0.4, false))
			b.Output("again", b.AttentionColumns(x, x, 3, 0.4))
		}},
		{Name: "attention/of itself", Bound: 2e-6, BF16: roundedWeights, build: func(b *program.Builder, n int) {
			x := input(b, "x", n, 11, 16)
			b.Output("y", b.Attention(x, x, x, 2, 0.25, false))
		}},
	}
}

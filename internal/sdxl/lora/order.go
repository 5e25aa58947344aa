package lora

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Refiners' SDLoraManager (foundationals/latent_diffusion/lora.py, 0.4.0) does not read where a layer belongs. It takes the keys with ".weight" two by
// two, sorts the pairs, and gives each to the first layer in the order of its own model that has the kind and shape and
// holds no other pair of the file. Alphas are not read.

// couple is a pair of matrices as Refiners forms it.
type couple struct {
	name       string // without the last two parts of the first key
	down, up   string // keys
	a, b       []int  // shapes
	prefix     string // what it is sorted by: the name without its ending, its numbers padded
	score      int    // then by the ending
	conv, unet bool
}

// byOrder attaches a file as SDLoraManager does.
func (f *File) byOrder(m Model) (*Match, error) {
	shapes := make(map[string][]int)
	for _, key := range f.file.Names() {
		t, _ := f.file.Tensor(key)
		shapes[key] = t.Shape
	}
	couples, problem := coupled(shapes)
	if problem != "" {
		return nil, f.fail("", "cannot be attached in Refiners' order: "+problem, "attach: by-name")
	}
	out := &Match{Namings: []string{string(RefinersOrder)}}
	places := arrange(couples, m)
	for i, c := range couples {
		if places[i].path == "" {
			out.Unmatched = append(out.Unmatched, c.down, c.up)
			continue
		}
		t := &Target{place: places[i], layer: &layer{name: c.name, keys: map[role]string{down: c.down, up: c.up}},
			Method: LoRA, Rank: c.a[0], weight: m[places[i].component][places[i].path+".weight"]}
		if c.conv {
			t.Method = LoCon
		}
		t.alpha, t.divide = 1, 1
		out.Targets = append(out.Targets, t)
	}
	out.sort()
	return out, nil
}

// coupled forms the pairs of a file's keys and sorts them. problem says why that cannot be done.
func coupled(shapes map[string][]int) (couples []*couple, problem string) {
	var keys []string
	for key := range shapes {
		if strings.Contains(key, ".weight") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if len(keys)%2 == 1 {
		keys = keys[:len(keys)-1] // Python's zip drops the last
	}
	for pair := range slices.Chunk(keys, 2) {
		c := &couple{down: pair[0], up: pair[1], a: shapes[pair[0]], b: shapes[pair[1]]}
		c.conv = len(c.a) == 4
		if len(c.a) != len(c.b) || len(c.a) != 2 && len(c.a) != 4 || c.a[0] != c.b[1] {
			return nil, fmt.Sprintf("%s %v and %s %v are no pair", c.down, c.a, c.up, c.b)
		}
		parts := strings.Split(c.down, ".")
		c.name = strings.Join(parts[:max(0, len(parts)-2)], ".")
		c.prefix, c.score = sortKey(c.name)
		couples = append(couples, c)
	}
	slices.SortStableFunc(couples, func(a, b *couple) int { return cmp.Or(cmp.Compare(a.prefix, b.prefix), a.score-b.score) })
	return couples, ""
}

// endings are the ends of names that order pairs of one prefix.
var endings = []struct {
	text  string
	score int
}{{"_q", 1}, {"_k", 2}, {"_v", 3}, {"_in", 3}, {"_out", 4}, {"_out0", 4}, {"_out_0", 4}}

// sortKey is sort_keys: the name without its ending, numbers between underscores two digits wide, and the ending's rank.
func sortKey(name string) (prefix string, score int) {
	score = 5
search:
	for _, e := range endings {
		for _, end := range []string{e.text, e.text + "_lora"} {
			if rest, ok := strings.CutSuffix(name, end); ok {
				name, score = rest, e.score
				break search
			}
		}
	}
	parts := strings.Split(name, "_")
	for i, p := range parts {
		if len(p) == 1 && p[0] >= '0' && p[0] <= '9' {
			parts[i] = "0" + p
		}
	}
	return strings.Join(parts, "_"), score
}

// arrange gives each pair its layer, or an empty place.
func arrange(couples []*couple, m Model) []place {
	bare := !slices.ContainsFunc(couples, func(c *couple) bool { return strings.Contains(c.name, "unet") || strings.Contains(c.name, "text") })
	var unet []*couple
	for _, c := range couples {
		if c.unet = bare || strings.Contains(c.name, "unet"); c.unet {
			unet = append(unet, c)
		}
	}
	excluded := make(map[string]bool)
	for part, block := range map[string]string{"time": timestepEncoder, "res": residualBlock, "downsample": downsample, "upsample": upsample} {
		excluded[block] = !slices.ContainsFunc(unet, func(c *couple) bool { return strings.Contains(c.name, part) })
	}
	unetSlots, textSlots := walkUNet(m["unet"]), walkText(m)
	out := make([]place, len(couples))
	for i, c := range couples {
		slots := textSlots
		if c.unet {
			slots = unetSlots
		} else if !strings.Contains(c.name, "text") {
			continue
		}
		for _, s := range slots {
			if s.taken || c.unet && excluded[s.block] || len(s.shape) != len(c.a) || s.shape[0] != c.b[0] || s.shape[1] != c.a[1] {
				continue
			}
			s.taken = true
			out[i] = s.place
			break
		}
	}
	return out
}

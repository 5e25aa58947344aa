package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestParseShard(t *testing.T) {
	for s, want := range map[string]Shard{"": {}, "1/1": {1, 1}, "3/7": {3, 7}, "65536/65536": {65536, 65536}} {
		if got, err := ParseShard(s); got != want || err != nil {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"0/1", "2/1", "1/0", "1", "1/", "/1", "a/b", "1/2/3", "-1/2", "01/2", "1/65537", "99999999999999999999/99999999999999999999"} {
		if got, err := ParseShard(s); err == nil {
			t.Errorf("%s is taken for %v", s, got)
		}
	}
}

// random is a matrix with random axes, excludes, includes and sizes of steps.
func random(r *rand.Rand) string {
	var m strings.Builder
	seeds, words := 1+r.IntN(6), 1+r.IntN(5)
	var list []string
	for i := range seeds {
		list = append(list, fmt.Sprint(i))
	}
	fmt.Fprintf(&m, "seed: [%s]\n  word: [", strings.Join(list, ", "))
	for i := range words {
		fmt.Fprintf(&m, "w%d, ", i)
	}
	m.WriteString("]\n")
	if seeds > 2 {
		fmt.Fprintf(&m, "  exclude: [{seed: %d, word: w%d}, {seed: 1}]\n", r.IntN(seeds), r.IntN(words))
	}
	for i := range r.IntN(3) {
		if i == 0 {
			m.WriteString("  include:\n")
		}
		fmt.Fprintf(&m, "    - {seed: %d, word: z}\n", 100+i)
	}
	return cells(m.String())
}

// heavy gives each step a cost that its node and a number decide, as shapes do.
func heavy(p *Plan, n int64) {
	for _, s := range p.Steps {
		for _, c := range s.Node {
			s.Plan.MACs += int64(c) * n % 1009
		}
	}
}

// Every cell is in exactly one shard, with all its steps and outputs; no shard is empty as long as there are cells; and two plans agree.
func TestShards(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 60 {
		text, weight, of := random(r), 1+r.Int64N(1000), 1+r.IntN(9)
		whole := mustBuild(t, text, nil)
		heavy(whole, weight)
		home := make(map[string]int)
		for i := range of {
			p, again := mustBuild(t, text, nil), mustBuild(t, text, nil)
			heavy(p, weight)
			heavy(again, weight)
			p.Keep(Shard{i + 1, of})
			again.Keep(Shard{i + 1, of})
			if !slices.Equal(names(p.Steps), names(again.Steps)) {
				t.Fatal("two plans disagree")
			}
			if (len(p.Cells) == 0) != (i >= len(whole.Cells)) || len(p.Outputs) != len(p.Cells) {
				t.Fatalf("shard %d of %d has %d of %d cells, %d outputs", i+1, of, len(p.Cells), len(whole.Cells), len(p.Outputs))
			}
			for _, c := range p.Cells {
				home[c.Label]++
			}
			complete(t, p)
		}
		for _, c := range whole.Cells {
			if home[c.Label] != 1 {
				t.Fatalf("cell %s is in %d shards of %d", c.Label, home[c.Label], of)
			}
		}
	}
}

// complete demands that a plan has what its outputs need, and nothing else.
func complete(t *testing.T, p *Plan) {
	t.Helper()
	needed := make(map[*Step]bool)
	for _, o := range p.Outputs {
		needed[o.From] = true
	}
	for i := len(p.Steps) - 1; i >= 0; i-- {
		s := p.Steps[i]
		if !needed[s] || s.Cells == 0 {
			t.Fatalf("%s is not needed", s.Name)
		}
		for _, in := range s.Awaits() {
			needed[in.From] = true
		}
	}
	if len(needed) != len(p.Steps) {
		t.Fatalf("%d steps of %d are there", len(p.Steps), len(needed))
	}
}

// price is what the steps of a plan cost.
func price(p *Plan) (sum int64) {
	for _, s := range p.Steps {
		sum += cost(s)
	}
	return sum
}

// Shards are balanced: none costs more than its share and one cell more.
func TestShardsAreBalanced(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		text, weight, of := random(r), 1+r.Int64N(1000), 1+r.IntN(6)
		whole := mustBuild(t, text, nil)
		heavy(whole, weight)
		c := newCutter(whole)
		var alone, most int64 // cells without sharing, the dearest of them
		for i := range whole.Cells {
			alone += c.price([]int{i})
			most = max(most, c.price([]int{i}))
		}
		for i := range of {
			p := mustBuild(t, text, nil)
			heavy(p, weight)
			p.Keep(Shard{i + 1, of})
			if limit := alone/int64(of) + most; price(p) > limit {
				t.Errorf("shard %d of %d costs %d, more than %d", i+1, of, price(p), limit)
			}
		}
	}
}

// Cells that share a dear step stay together: here the prompt's, so that no shard computes the other's.
func TestShardsKeepWhatIsShared(t *testing.T) {
	for _, dear := range []string{"text", "noise"} {
		seen := make(map[string]int)
		for i := range 2 {
			p := mustBuild(t, cells("seed: [1, 2]\n  word: [a, b]"), nil)
			for _, s := range p.Steps {
				if s.Node == dear {
					s.Plan.MACs = 1000
				}
			}
			p.Keep(Shard{i + 1, 2})
			for _, s := range p.Steps {
				if s.Node == dear {
					seen[s.Name]++
				}
			}
		}
		for name, n := range seen {
			if n != 1 {
				t.Errorf("%s is in %d shards", name, n)
			}
		}
	}
}

func TestShardsCloseWhatTheyLeave(t *testing.T) {
	closed := 0
	p := mustBuild(t, cells("seed: [1]"), func(o *Options) { o.Registry = toys(&closed) })
	p.Keep(Shard{2, 2})
	if len(p.Steps) != 0 || closed != 1 {
		t.Errorf("%d steps stay, %d models were closed", len(p.Steps), closed)
	}
	p.Close()
	if closed != 1 {
		t.Errorf("a model was closed %d times", closed)
	}
}

func TestShardOfManyCells(t *testing.T) {
	var seeds []string
	for i := range 32 {
		seeds = append(seeds, fmt.Sprint(100+i))
	}
	p := mustBuild(t, cells("seed: ["+strings.Join(seeds, ", ")+"]\n  word: ["+strings.Join(seeds, ", ")+"]"), nil)
	p.Keep(Shard{3, 64})
	if len(p.Cells) != 16 {
		t.Errorf("%d cells", len(p.Cells))
	}
}

package plan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/seed-8af8f8e1/flow/spec"
)

// Shard is one of several parts of a matrix' cells; the zero Shard is all.
type Shard struct{ Index, Of int } // Index counts from 1

// maxShards bounds the number of shards.
const maxShards = 1 << 16

var shardText = regexp.MustCompile(`^([1-9][0-9]{0,4})/([1-9][0-9]{0,4})$`)

// ParseShard reads I/N; an empty text is the zero Shard.
func ParseShard(s string) (Shard, error) {
	if s == "" {
		return Shard{}, nil
	}
	if m := shardText.FindStringSubmatch(s); m != nil {
		i, _ := strconv.Atoi(m[1])
		n, _ := strconv.Atoi(m[2])
		if i <= n && n <= maxShards {
			return Shard{i, n}, nil
		}
	}
	return Shard{}, fmt.Errorf("--shard %s is no part; write I/N, such as 1/4 for the first of four", spec.Quote(s))
}

// Keep leaves the cells of one shard in an inspected plan, with the steps and outputs that they need. Which cells these are follows from the workflow
// and the shapes of its values alone: all machines agree, and each cell is in one shard. Cells that share much are kept together where the longest
// shard is not longer for it; there may be more shards than cells.
func (p *Plan) Keep(s Shard) {
	if s.Of == 0 {
		return
	}
	c := newCutter(p)
	groups := c.best(s.Of)
	var kept []int
	if s.Index <= len(groups) {
		kept = groups[s.Index-1]
		slices.Sort(kept)
	}
	needed := make(map[*Step]int) // by how many cells
	outputs := make(map[int]bool)
	var cells []*Cell
	for _, i := range kept {
		cells = append(cells, p.Cells[i])
		for _, step := range c.steps[i] {
			needed[step]++
		}
		for _, o := range c.outputs[i] {
			outputs[o] = true
		}
	}
	p.Cells = cells
	var left []Output
	for i, o := range p.Outputs {
		if outputs[i] {
			left = append(left, o)
		}
	}
	p.Outputs = left
	p.Steps = slices.DeleteFunc(p.Steps, func(s *Step) bool {
		s.Cells = needed[s]
		if s.Cells == 0 {
			s.close()
		}
		return s.Cells == 0
	})
}

// cutter cuts the cells of a plan into shards.
type cutter struct {
	plan    *Plan
	steps   [][]*Step // by cell: what it needs
	outputs [][]int   // by cell
	seen    []int     // by step: the last group that had it
	group   int       // a number of its own for each group that is weighed
}

func newCutter(p *Plan) *cutter {
	c := &cutter{plan: p, steps: make([][]*Step, len(p.Cells)), outputs: make([][]int, len(p.Cells)), seen: make([]int, len(p.Steps))}
	place := make(map[*Cell]int, len(p.Cells))
	for i, cell := range p.Cells {
		place[cell] = i
	}
	for i, o := range p.Outputs {
		for _, cell := range o.Cells {
			c.outputs[place[cell]] = append(c.outputs[place[cell]], i)
		}
	}
	for i, cell := range p.Cells {
		from := make(map[*Step]bool)
		var visit func(s *Step)
		visit = func(s *Step) {
			if !from[s] {
				from[s] = true
				c.steps[i] = append(c.steps[i], s)
				for _, in := range s.Awaits() {
					visit(in.From)
				}
			}
		}
		for _, o := range c.outputs[i] {
			visit(p.Outputs[o].From)
		}
		if len(p.Outputs) == 0 {
			for _, s := range cell.steps {
				visit(s)
			}
		}
	}
	return c
}

// cost is what a step costs: its multiply-adds, and something for the rest.
func cost(s *Step) int64 { return 1 + s.Plan.MACs }

// best cuts the cells into at most n groups: of the orders that are tried, in the one whose most expensive group is cheapest.
func (c *cutter) best(n int) [][]int {
	n = min(n, len(c.plan.Cells))
	var best [][]int
	var least, total int64
	for _, order := range c.orders() {
		groups := c.cut(order, n)
		most, sum := c.weigh(groups)
		if best == nil || most < least || most == least && sum < total {
			best, least, total = groups, most, sum
		}
	}
	return best
}

// orders lists orders of the cells, each by one axis after the other.
func (c *cutter) orders() [][]int {
	axes := 0
	for _, cell := range c.plan.Cells {
		axes = max(axes, len(cell.At))
	}
	var out [][]int
	for _, axes := range permutations(axes) {
		order := make([]int, len(c.plan.Cells))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			x, y := c.plan.Cells[a].At, c.plan.Cells[b].At
			if x == nil || y == nil {
				return cmp.Compare(len(y), len(x)) // those of include last
			}
			for _, i := range axes {
				if d := cmp.Compare(x[i], y[i]); d != 0 {
					return d
				}
			}
			return 0
		})
		out = append(out, order)
	}
	return out
}

// permutations lists the orders of n axes; of more than four those that differ in the first one.
func permutations(n int) [][]int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	if n > 4 {
		var out [][]int
		for i := range all {
			out = append(out, slices.Concat([]int{i}, all[:i], all[i+1:]))
		}
		return out
	}
	out := [][]int{{}}
	for range n {
		var longer [][]int
		for _, some := range out {
			for _, i := range all {
				if !slices.Contains(some, i) {
					longer = append(longer, append(slices.Clone(some), i))
				}
			}
		}
		out = longer
	}
	return out
}

// cut cuts an order into n groups of neighbours whose most expensive one is as cheap as can be.
func (c *cutter) cut(order []int, n int) [][]int {
	low, high := int64(0), c.price(order)
	for low+1 < high { // low is too little, high is enough
		middle := low + (high-low)/2
		if len(c.fill(order, middle)) <= n {
			high = middle
		} else {
			low = middle
		}
	}
	groups := c.fill(order, high)
	for len(groups) < n { // there are cells enough: the most expensive group is cut once more
		at, most := -1, int64(-1)
		for i, g := range groups {
			if price := c.price(g); len(g) > 1 && price > most {
				at, most = i, price
			}
		}
		g := groups[at]
		groups = slices.Concat(groups[:at], [][]int{g[:len(g)/2], g[len(g)/2:]}, groups[at+1:])
	}
	return groups
}

// fill makes groups of neighbours that cost no more than a limit, but for cells that alone do.
func (c *cutter) fill(order []int, limit int64) [][]int {
	var out [][]int
	var price int64
	for _, i := range order {
		more := c.add(i, false)
		if len(out) == 0 || price+more > limit {
			out = append(out, nil)
			c.group++
			price, more = 0, c.add(i, false)
		}
		c.add(i, true)
		price += more
		out[len(out)-1] = append(out[len(out)-1], i)
	}
	c.group++
	return out
}

// add is what a cell adds to the price of the present group, which has it then if keep is set.
func (c *cutter) add(cell int, keep bool) int64 {
	var sum int64
	for _, s := range c.steps[cell] {
		if c.seen[s.Index] != c.group+1 {
			sum += cost(s)
			if keep {
				c.seen[s.Index] = c.group + 1
			}
		}
	}
	return sum
}

// price is what a group of cells costs.
func (c *cutter) price(group []int) int64 {
	c.group++
	var sum int64
	for _, i := range group {
		sum += c.add(i, true)
	}
	c.group++
	return sum
}

// weigh gives the price of the most expensive group, and of all.
func (c *cutter) weigh(groups [][]int) (most, sum int64) {
	for _, g := range groups {
		price := c.price(g)
		most, sum = max(most, price), sum+price
	}
	return most, sum
}

package sched

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

// randomFlow is a workflow of n nodes over three models and what its last node gives. ids are below most, so that
// workflows share actions.
func randomFlow(rnd *rand.Rand, n int) (text string, picture float32) {
	text = "nodes:\n"
	for m := range 3 {
		text += fmt.Sprintf("  m%d: {kind: open, version: %d}\n", m, m)
	}
	values := make([]int, n)
	for i := range n {
		values[i] = 1 + rnd.IntN(4)
		var refs []string
		line := fmt.Sprintf("kind: step, id: %d", values[i])
		for range min(i, rnd.IntN(3)) {
			j := max(0, i-1-rnd.IntN(6))
			values[i] += values[j]
			refs = append(refs, fmt.Sprintf("$n%d", j))
		}
		if values[i] > 10_000 {
			values[i], line = 5, line+", give: 5"
		}
		if rnd.IntN(3) == 0 {
			line += fmt.Sprintf(", model: $m%d, uses: %c", rnd.IntN(3), 'a'+rune(rnd.IntN(2)))
		}
		text += fmt.Sprintf("  n%d: {%s, in: [%s]}\n", i, line, strings.Join(refs, ", "))
	}
	text += fmt.Sprintf("  p: {kind: paint, id: 1, model: $m0, in: [$n%d, $n%d]}\noutputs: {p: {from: $p, path: p.png}}\n", n-1, n/2)
	return text, float32(1 + values[n-1] + values[n/2])
}

// moody is a store that fails now and then.
type moody struct {
	cache.Store
	mu  sync.Mutex
	rnd *rand.Rand
}

func (m *moody) fails() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rnd.IntN(12) == 0
}

func (m *moody) Get(key cache.ActionKey) (*cache.Record, error) {
	if m.fails() {
		return nil, &cache.Miss{Reason: cache.RecordCorrupt, Key: key}
	}
	return m.Store.Get(key)
}

func (m *moody) Read(id cache.BlobID) ([]byte, error) {
	if m.fails() {
		return nil, &cache.Miss{Reason: cache.BlobCorrupt, Blob: id}
	}
	return m.Store.Read(id)
}

func (m *moody) Put(ctx context.Context, r cache.Record, blobs []cache.NewBlob) (*cache.Record, error) {
	if m.fails() {
		return nil, errors.New("not cached: no space left")
	}
	return m.Store.Put(ctx, r, blobs)
}

// TestHammer: many runs of random workflows at once over one store that fails now and then; some are
// stopped and in some nodes fail. Whatever happens a run that says it is done has the right picture, one that does not
// says why, every model is closed, and no goroutine is left.
func TestHammer(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	before := runtime.NumGoroutine()
	store := &moody{Store: cache.NewMemory(), rnd: rand.New(rand.NewPCG(1, 1))}
	var wg sync.WaitGroup
	var mu sync.Mutex
	ended := make(map[string]int)
	for g := range 6 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 3))
			for range rounds {
				how, err := hammerOnce(t, store, rnd)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				ended[how]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Log(ended)
	if !t.Failed() && (ended["done"] == 0 || ended["failed"] == 0 || ended["stopped"] == 0) {
		t.Errorf("the test does not test: %v", ended)
	}
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i > 200 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func hammerOnce(t *testing.T, store cache.Store, rnd *rand.Rand) (how string, err error) {
	r := newRig()
	r.store = store
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	stop := rnd.IntN(4) == 0
	after := rnd.IntN(30)
	broken := errors.New("a node that fails")
	fail := int64(rnd.IntN(12)) // ids are 1 to 4
	for id := int64(1); id <= 4; id++ {
		r.hooks[id] = func(context.Context, *nodes.Env) error {
			r.mu.Lock()
			n := len(r.ran)
			r.mu.Unlock()
			if stop && n > after {
				cancel()
			}
			if id == fail && n%5 == 0 {
				return broken
			}
			return nil
		}
	}
	text, picture := randomFlow(rnd, 5+rnd.IntN(40))
	p := r.plan(t, text)
	defer p.Close()
	res := Run(ctx, p, r.options())
	p.Close()
	switch {
	case r.open != 0 || r.most > 1:
		return "", fmt.Errorf("%d models are open, %d nodes computed at once", r.open, r.most)
	case len(res.Written) > 0 && r.written["p"] != picture:
		return "", fmt.Errorf("the picture is %v, not %v:\n%s", r.written["p"], picture, text)
	case errors.Is(res.Err, broken):
		return "failed", nil
	case stop && res.Err == context.Canceled:
		return "stopped", nil
	case res.Err != nil || len(res.Written) != 1:
		return "", fmt.Errorf("ended with %v, wrote %v:\n%s", res.Err, res.Written, text)
	}
	return "done", nil
}

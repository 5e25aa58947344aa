package sched

import (
	"container/heap"
	"context"
	"sync"
)

// lane lets one step compute at a time; of those that are ready the lowest index goes first. A step that
// is about to ask for the lane is expected: later steps let it go ahead.
type lane struct {
	mu       sync.Mutex
	busy     bool
	waiting  waiters
	expected map[int]bool // by index
}

type waiter struct {
	index int
	ready chan struct{}
	pos   int
}

// expect announces a step whose inputs are there: it has its key to find out, and will soon enter or settle.
func (l *lane) expect(index int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.expected == nil {
		l.expected = make(map[int]bool)
	}
	l.expected[index] = true
}

// settle says that a step will not enter soon: it was found in the store, has failed, or reads files first.
func (l *lane) settle(index int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.expected, index)
	l.next()
}

// enter waits for the lane.
func (l *lane) enter(ctx context.Context, index int) error {
	w := &waiter{index: index, ready: make(chan struct{})}
	l.mu.Lock()
	delete(l.expected, index)
	heap.Push(&l.waiting, w)
	l.next()
	l.mu.Unlock()
	select {
	case <-w.ready:
		if err := ctx.Err(); err != nil {
			l.leave()
			return err
		}
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.ready: // it was our turn already: pass it on
		l.busy = false
	default:
		heap.Remove(&l.waiting, w.pos)
	}
	l.next()
	return ctx.Err()
}

// leave gives the lane to the next.
func (l *lane) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
	l.next()
}

// next lets the first of those that wait go, unless one before it is expected.
func (l *lane) next() {
	if l.busy || len(l.waiting) == 0 {
		return
	}
	for index := range l.expected {
		if index < l.waiting[0].index {
			return
		}
	}
	l.busy = true
	close(heap.Pop(&l.waiting).(*waiter).ready)
}

// waiters is a heap by index.
type waiters []*waiter

// Len implements heap.Interface.
func (h waiters) Len() int { return len(h) }

// Less implements heap.Interface.
func (h waiters) Less(i, j int) bool { return h[i].index < h[j].index }

// Swap implements heap.Interface.
func (h waiters) Swap(i, j int) { h[i], h[j] = h[j], h[i]; h[i].pos, h[j].pos = i, j }

// Push implements heap.Interface.
func (h *waiters) Push(x any) { w := x.(*waiter); w.pos = len(*h); *h = append(*h, w) }

// Pop implements heap.Interface.
func (h *waiters) Pop() any {
	old := *h
	w := old[len(old)-1]
	*h = old[:len(old)-1]
	return w
}

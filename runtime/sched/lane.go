package sched

import (
	"container/heap"
	"context"
	"sync"
)

// lane lets one step compute at a time; of those that wait the lowest index goes first.
type lane struct {
	mu      sync.Mutex
	busy    bool
	waiting waiters
}

type waiter struct {
	index int
	ready chan struct{}
	pos   int
}

// enter waits for the lane.
func (l *lane) enter(ctx context.Context, index int) error {
	l.mu.Lock()
	if !l.busy {
		l.busy = true
		l.mu.Unlock()
		return nil
	}
	w := &waiter{index: index, ready: make(chan struct{})}
	heap.Push(&l.waiting, w)
	l.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.ready: // it was our turn already: pass it on
		l.next()
	default:
		heap.Remove(&l.waiting, w.pos)
	}
	return ctx.Err()
}

// leave gives the lane to the next.
func (l *lane) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next()
}

func (l *lane) next() {
	if len(l.waiting) == 0 {
		l.busy = false
		return
	}
	w := heap.Pop(&l.waiting).(*waiter)
	close(w.ready)
}

// waiters is a heap by index.
type waiters []*waiter

func (h waiters) Len() int           { return len(h) }
func (h waiters) Less(i, j int) bool { return h[i].index < h[j].index }
func (h waiters) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].pos, h[j].pos = i, j }

// Push implements heap.Interface.
func (h *waiters) Push(x any) { w := x.(*waiter); w.pos = len(*h); *h = append(*h, w) }

// Pop implements heap.Interface.
func (h *waiters) Pop() any {
	old := *h
	w := old[len(old)-1]
	*h = old[:len(old)-1]
	return w
}

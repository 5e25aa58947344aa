package cpu

import (
	"context"
	"errors"
	"sync"
	"time"
	"unsafe"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/panels"
)

// Keeping says how packed weights are kept for later runs.
type Keeping struct {
	Store *panels.Store
	// Share is the part of one processor's time that packing may take beside a run; 0 means 5 %. What a run leaves
	// undone the next one goes on with.
	Share float64
	// All keeps weights too that a program reads once: their checksums take as long as packing them. For measurements.
	All bool
	// Warn is told once what keeps packed weights from being kept; nil for nobody.
	Warn func(error)
}

const (
	usualShare = 0.05
	// packSlice is how long packing works before it rests.
	packSlice = time.Millisecond
	// packPatience is how long packing waits before it asks again whether it is this process's turn.
	packPatience = 2 * time.Second
)

// packer packs weights for later runs, one after the other, on one goroutine that mostly rests.
type packer struct {
	Keeping
	tier   kernel.Tier
	least  int64 // bytes of a program's panels below which none are kept
	ctx    context.Context
	cancel func()

	mu      sync.Mutex
	queue   []packTask
	running bool
	stopped bool             // nothing more is packed
	reading map[[32]byte]int // by digest of a weight: how many runs have its pages in memory until they end
	done    sync.WaitGroup
}

// Keep makes the executor use packed weights that earlier runs have left in a store, and leave there what this one needs.
// [Executor.Close] ends that.
func (e *Executor) Keep(k Keeping) {
	if !littleEndian() {
		return // files hold words as this kind of processor reads them
	}
	if k.Share <= 0 {
		k.Share = usualShare
	}
	p := &packer{Keeping: k, tier: e.tier, least: 4 * mostKept}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	e.packer = p
}

// Close ends packing in the background. What is not finished leaves nothing behind.
func (e *Executor) Close() error {
	if e.packer != nil {
		e.packer.stop()
	}
	return nil
}

func littleEndian() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}

// add takes tasks on. Their weights stay mapped until they are done or packing ends.
func (k *packer) add(tasks ...packTask) {
	if k == nil || len(tasks) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	for _, t := range tasks {
		t.release = t.content.Keep()
		k.queue = append(k.queue, t)
	}
	if !k.running {
		k.running = true
		k.done.Go(k.work)
	}
}

// next takes the first task off the queue.
func (k *packer) next() (t packTask, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queue) == 0 {
		k.running = false
		return t, false
	}
	t, k.queue = k.queue[0], k.queue[1:]
	return t, true
}

// work packs until nothing is left.
func (k *packer) work() {
	rest := rester{ctx: k.ctx, share: k.Share, woke: time.Now()}
	unlock, ok := k.turn()
	if !ok {
		k.giveUp()
		return
	}
	defer unlock()
	for t, ok := k.next(); ok; t, ok = k.next() {
		err := k.pack(&t, &rest)
		k.drop(&t)
		t.release()
		if err != nil {
			k.giveUp()
			if k.ctx.Err() == nil && !errors.Is(err, panels.ErrNoRoom) && k.Warn != nil {
				k.Warn(err)
			}
			return
		}
	}
}

// hold says that a run has weights in memory until it releases them: packing leaves them there, so that a run has as much resident
// whether its weights are packed beside it or not, and reads no page twice.
func (k *packer) hold(ids ...[32]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reading == nil {
		k.reading = make(map[[32]byte]int)
	}
	for _, id := range ids {
		k.reading[id]++
	}
}

// release ends hold. The run drops its weights after it.
func (k *packer) release(ids ...[32]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range ids {
		if k.reading[id]--; k.reading[id] == 0 {
			delete(k.reading, id)
		}
	}
}

// drop takes a weight that was packed out of memory, unless a run holds it.
func (k *packer) drop(t *packTask) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reading[t.id.Weight] == 0 {
		t.content.Drop(t.name)
	}
}

// turn waits until no other process packs.
func (k *packer) turn() (unlock func(), ok bool) {
	for {
		if unlock, ok = k.Store.Lock(); ok {
			return unlock, true
		}
		select {
		case <-k.ctx.Done():
			return nil, false
		case <-time.After(packPatience):
		}
	}
}

// giveUp drops the queue: nothing is packed any more.
func (k *packer) giveUp() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.queue {
		t.release()
	}
	k.queue, k.running, k.stopped = nil, false, true
}

// stop ends packing and waits for that.
func (k *packer) stop() {
	k.cancel()
	k.done.Wait()
	k.giveUp()
}

// pack makes the file of one task, unless it is there.
func (k *packer) pack(t *packTask, rest *rester) error {
	if k.Store.Has(t.id) {
		return nil
	}
	if t.w.Data == nil {
		w, err := t.content.Weight(t.name)
		if err != nil {
			return err
		}
		t.w = weightOf(w)
		defer func() { t.w.Data = nil }()
	}
	scratch := make([]float32, kernel.PackScratch(t.w.Taps))
	return t.content.Guard(func() error {
		return k.Store.Make(rest.ctx, t.id, func(i int, dst []byte) error {
			if err := rest.now(); err != nil {
				return err
			}
			panel := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(dst))), len(dst)/4)
			k.tier.Pack(panel, scratch, &t.w, t.offset, t.c, i*kernel.NR, t.n, true)
			if i < t.id.Blocks-1 {
				return nil
			}
			return t.content.Verify() // what was packed is what has the digest
		})
	})
}

// rester makes room for others: of the time since it began, a share is work.
type rester struct {
	ctx   context.Context
	share float64
	woke  time.Time
}

// now rests if there was enough work since the last rest.
func (r *rester) now() error {
	worked := time.Since(r.woke)
	if r.share < 1 && worked >= packSlice {
		t := time.NewTimer(time.Duration(float64(worked) * (1/r.share - 1)))
		defer t.Stop()
		select {
		case <-r.ctx.Done():
		case <-t.C:
		}
		r.woke = time.Now()
	}
	return r.ctx.Err()
}

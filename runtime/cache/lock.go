package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// errNoLocks says that the file system knows no locks.
var errNoLocks = errors.New("the file system has no locks")

// errBusy says that another process holds the lock.
var errBusy = errors.New("the cache is locked by another flow")

// How long to wait for others.
const (
	getPatience = 2 * time.Second  // then a hit is taken without a lock
	putPatience = 10 * time.Second // then the store is given up
	gcPatience  = 30 * time.Second
)

// held are locks that end together.
type held []*os.File

func (h held) release() {
	for _, f := range h {
		f.Close()
	}
}

// lock takes the store's lock: shared to use it, exclusive to evict from it.
// Whoever waits for it alone holds the gate, so that those who share cannot
// keep it out by following each other. Where there are no locks, it has none
// and no error.
func (d *Disk) lock(ctx context.Context, exclusive bool, patience time.Duration) (held, error) {
	until := time.Now().Add(patience)
	gate, err := d.acquire(ctx, "gate", exclusive, until)
	if err != nil {
		return nil, err
	}
	defer held{gate}.release()
	main, err := d.acquire(ctx, "lock", exclusive, until)
	if err != nil {
		return nil, err
	}
	return held{main}, nil
}

// acquire locks one file, asking again until the time is up.
func (d *Disk) acquire(ctx context.Context, name string, exclusive bool, until time.Time) (*os.File, error) {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for wait := 50 * time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
		ok, err := d.try(f, exclusive)
		if ok || errors.Is(err, errNoLocks) {
			return f, nil
		}
		if err == nil && !time.Now().Before(until) {
			err = fmt.Errorf("%w: %s: wait for it, or end it", errBusy, d.dir)
		}
		if err == nil {
			err = pause(ctx, wait)
		}
		if err != nil {
			f.Close()
			return nil, err
		}
	}
}

// pause sleeps unless the context ends.
func pause(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

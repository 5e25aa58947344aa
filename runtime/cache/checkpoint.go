package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"
)

// Checkpoint is how far an action has come that is not finished: what its loop carries after a step.
type Checkpoint struct {
	Key     ActionKey         `json:"key"`
	Action  json.RawMessage   `json:"action"` // kept byte for byte
	Step    int               `json:"step"`   // after which State stands, counted from 1
	Total   int               `json:"total"`  // steps of the loop
	Digests []Digest          `json:"digests"`
	Spent   time.Duration     `json:"spent_ns"` // on these steps, by all runs
	Created time.Time         `json:"created"`
	Meta    map[string]string `json:"meta,omitempty"`
	State   []byte            `json:"-"` // safetensors
}

// Checkpoints is what a store may keep beside records: how far actions have come that a run did not finish. One that cannot be
// believed is a miss.
type Checkpoints interface {
	// GetCheckpoint finds the last checkpoint of an action. The error is always a *Miss; what is damaged is removed.
	GetCheckpoint(ActionKey) (*Checkpoint, error)
	// PutCheckpoint puts one in the place of an earlier one. After an error the earlier one is still there.
	PutCheckpoint(context.Context, Checkpoint) error
	// DropCheckpoint removes the checkpoint of an action that is done.
	DropCheckpoint(ActionKey) error
}

// CheckpointsOf gives what a store can do about checkpoints; nil if it keeps none.
func CheckpointsOf(s Store) Checkpoints {
	c, _ := s.(Checkpoints)
	return c
}

const (
	maxCheckpoints = 64
	checkpointAge  = 30 * 24 * time.Hour
)

// encode gives the checkpoint as it stands on disk: a line of JSON, the state, a line of checksum.
func (c *Checkpoint) encode() ([]byte, error) {
	line, err := encodeLine(c)
	if err != nil {
		return nil, err
	}
	data := seal(append(line, c.State...))
	if len(data) > maxSealed {
		return nil, fmt.Errorf("%d bytes, more than %d", len(data), maxSealed)
	}
	return data, nil
}

// decodeCheckpoint reads what encode wrote, for the given key.
func decodeCheckpoint(key ActionKey, data []byte) (*Checkpoint, error) {
	body, err := unseal(data)
	if err != nil {
		return nil, err
	}
	line, state, ok := bytes.Cut(body, []byte("\n"))
	if !ok {
		return nil, errors.New("it has no state")
	}
	c := new(Checkpoint)
	if err := json.Unmarshal(line, c); err != nil {
		return nil, err
	}
	if c.Key != key {
		return nil, fmt.Errorf("the checkpoint is of %s", c.Key)
	}
	if c.Step < 1 || c.Step >= c.Total || len(c.Digests) != c.Step {
		return nil, fmt.Errorf("step %d of %d, with %d digests", c.Step, c.Total, len(c.Digests))
	}
	c.State = state
	return c, nil
}

// GetCheckpoint implements [Checkpoints].
func (d *Disk) GetCheckpoint(key ActionKey) (*Checkpoint, error) {
	if d.absent {
		return nil, &Miss{Reason: NeverRun, Key: key}
	}
	name := shard(checkpointDir, key)
	data, _, err := d.read(name, maxSealed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Miss{Reason: NeverRun, Key: key}
	}
	if err != nil {
		return nil, &Miss{Reason: Unreadable, Key: key, Err: err}
	}
	c, err := decodeCheckpoint(key, data)
	if err != nil {
		if !d.readOnly {
			_ = d.remove(name) // it is in nobody's way
		}
		return nil, &Miss{Reason: CheckpointCorrupt, Key: key, Err: err}
	}
	return c, nil
}

// PutCheckpoint implements [Checkpoints]. The context is asked until the file is complete.
func (d *Disk) PutCheckpoint(ctx context.Context, c Checkpoint) error {
	s, err := d.lease()
	if err != nil {
		return err
	}
	if c.Created.IsZero() {
		c.Created = d.now()
	}
	c.Created = c.Created.Round(0).UTC()
	data, err := c.encode()
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", c.Key, err)
	}
	temp := s.tempName()
	err = d.writeTemp(temp, func(f *file) error {
		for block := range slices.Chunk(data, 256<<10) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := f.Write(block); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.touch(temp, d.now()) // best effort
	if err := d.place(temp, shard(checkpointDir, c.Key)); err != nil {
		d.remove(temp)
		return err
	}
	d.dirty.Store(true)
	return nil
}

// DropCheckpoint implements [Checkpoints].
func (d *Disk) DropCheckpoint(key ActionKey) error {
	if d.readOnly || d.absent {
		return nil
	}
	return d.remove(shard(checkpointDir, key))
}

// Checkpoints gives all checkpoints, in the order of their keys; for one that cannot be read, nil and a *Miss.
func (d *Disk) Checkpoints() iter.Seq2[*Checkpoint, error] {
	return func(yield func(*Checkpoint, error) bool) {
		if d.absent {
			return
		}
		for e, err := range d.walk(checkpointDir, "", false) {
			var c *Checkpoint
			if err == nil {
				c, err = d.GetCheckpoint(e.hash)
			}
			var miss *Miss
			if errors.As(err, &miss) && miss.Reason == NeverRun {
				continue // gone since it was listed
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// dropCheckpoints removes those of actions that are done, the old, the damaged, and those beyond their number.
func (e *eviction) dropCheckpoints() error {
	done := make(map[ActionKey]bool)
	for _, r := range e.scan.records {
		done[r.hash] = r.bad == nil
	}
	age := time.Duration(checkpointAge)
	if e.opts.MaxAge > 0 {
		age = min(age, e.opts.MaxAge)
	}
	return e.eachCheckpoint(func(i int, f *found) bool {
		if e.all || done[f.hash] || len(e.scan.checkpoints)-i > maxCheckpoints || f.info.Size() > maxSealed || e.scan.at.Sub(f.used) > age {
			return true
		}
		data, _, err := e.disk.read(f.path, maxSealed)
		if err == nil {
			_, err = decodeCheckpoint(f.hash, data)
			return err != nil
		}
		return false
	})
}

// crowdedCheckpoints removes the oldest where records alone make too little room.
func (e *eviction) crowdedCheckpoints() error {
	return e.eachCheckpoint(func(int, *found) bool { return e.opts.MaxSize >= 0 && e.size > e.opts.MaxSize })
}

// eachCheckpoint removes those, least recently put first, of which gone says so.
func (e *eviction) eachCheckpoint(gone func(i int, f *found) bool) error {
	var left []*found
	for i, f := range e.scan.checkpoints {
		if !gone(i, f) {
			left = append(left, f)
			continue
		}
		ok, err := e.dropSmall(f)
		if err != nil {
			return err
		}
		if ok {
			e.report.Checkpoints++
		}
	}
	e.scan.checkpoints = left
	return nil
}

// verifyCheckpoints reads all checkpoints.
func (d *Disk) verifyCheckpoints(ctx context.Context, v *Verification) error {
	for c, err := range d.Checkpoints() {
		if err := ctx.Err(); err != nil {
			return err
		}
		v.Checkpoints++
		var miss *Miss
		if errors.As(err, &miss) {
			v.Damaged = append(v.Damaged, Damage{Miss: miss, Removed: miss.Reason == CheckpointCorrupt && !d.readOnly})
		}
		if c != nil {
			v.Bytes += int64(len(c.State))
		}
	}
	return nil
}

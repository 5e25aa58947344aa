package cache

import "context"

// Fresh gives a store that knows no action yet, in front of another, which keeps what is made. For runs that must compute.
func Fresh(behind Store) Store { return fresh{behind} }

type fresh struct{ Store }

// Get implements [Store]: nothing has been run.
func (f fresh) Get(key ActionKey) (*Record, error) { return nil, &Miss{Reason: NeverRun, Key: key} }

// GetCheckpoint implements [Checkpoints]: nothing has been begun.
func (f fresh) GetCheckpoint(key ActionKey) (*Checkpoint, error) {
	return nil, &Miss{Reason: NeverRun, Key: key}
}

// PutCheckpoint implements [Checkpoints].
func (f fresh) PutCheckpoint(ctx context.Context, c Checkpoint) error {
	if behind := CheckpointsOf(f.Store); behind != nil {
		return behind.PutCheckpoint(ctx, c)
	}
	return nil
}

// DropCheckpoint implements [Checkpoints].
func (f fresh) DropCheckpoint(key ActionKey) error {
	if behind := CheckpointsOf(f.Store); behind != nil {
		return behind.DropCheckpoint(key)
	}
	return nil
}

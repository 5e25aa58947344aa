package cache

import (
	"context"
	"crypto/sha256"
	"iter"
)

// Scoped gives a store whose records are apart from those of the store behind it and of every other scope: an action that was run there has
// not been run here. Blobs and memos are shared, and what is kept counts and goes as all else does. For runs that must not believe what others made.
func Scoped(behind Store, scope string) Store { return &scoped{Store: behind, scope: scope} }

// ScopeMeta is the name under which the record of a scope keeps it.
const ScopeMeta = "scope"

type scoped struct {
	Store
	scope string
}

// key is the key under which the store behind knows an action of this scope.
func (s *scoped) key(key ActionKey) ActionKey {
	return sha256.Sum256([]byte("flow-scope/1\n" + s.scope + "\n" + key.String()))
}

// Get implements [Store].
func (s *scoped) Get(key ActionKey) (*Record, error) {
	r, err := s.Store.Get(s.key(key))
	if err != nil {
		return nil, err
	}
	r.Key = key
	return r, nil
}

// Put implements [Store].
func (s *scoped) Put(ctx context.Context, r Record, blobs []NewBlob) (*Record, error) {
	key := r.Key
	r.Key = s.key(key)
	meta := map[string]string{ScopeMeta: s.scope}
	for k, v := range r.Meta {
		meta[k] = v
	}
	r.Meta = meta
	out, err := s.Store.Put(ctx, r, blobs)
	if err != nil {
		return nil, err
	}
	out.Key = key
	return out, nil
}

// GetCheckpoint implements [Checkpoints].
func (s *scoped) GetCheckpoint(key ActionKey) (*Checkpoint, error) {
	behind := CheckpointsOf(s.Store)
	if behind == nil {
		return nil, &Miss{Reason: NeverRun, Key: key}
	}
	c, err := behind.GetCheckpoint(s.key(key))
	if err != nil {
		return nil, err
	}
	c.Key = key
	return c, nil
}

// PutCheckpoint implements [Checkpoints].
func (s *scoped) PutCheckpoint(ctx context.Context, c Checkpoint) error {
	behind := CheckpointsOf(s.Store)
	if behind == nil {
		return nil
	}
	c.Key = s.key(c.Key)
	return behind.PutCheckpoint(ctx, c)
}

// DropCheckpoint implements [Checkpoints].
func (s *scoped) DropCheckpoint(key ActionKey) error {
	behind := CheckpointsOf(s.Store)
	if behind == nil {
		return nil
	}
	return behind.DropCheckpoint(s.key(key))
}

// Records implements [Store]: it gives those of the scope, with the keys that the store behind knows them by.
func (s *scoped) Records() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for r, err := range s.Store.Records() {
			if err == nil && r.Meta[ScopeMeta] == s.scope && !yield(r, nil) {
				return
			}
		}
	}
}

// Find implements [Store]: keys of a scope cannot be told from their beginnings.
func (s *scoped) Find(string) []ActionKey { return nil }

package main

import (
	"context"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

// pack has the executor use packed weights of a cache, and makes those that are missing.
func pack(exec *cpu.Executor, m *sdxl.Model, components []string, store *cache.Disk, p *program.Program, opt program.Options) error {
	ctx := context.Background()
	for _, name := range components {
		c, err := m.Files.Component(name)
		if err != nil {
			return err
		}
		if _, err := c.Digest(ctx, memo{store}); err != nil {
			return err
		}
	}
	exec.Keep(cpu.Keeping{Store: panels.NewStore(store), All: true})
	_, err := exec.PackAll(ctx, p, opt)
	return err
}

// memo remembers digests in the cache.
type memo struct{ store *cache.Disk }

// Get implements weights.Memo.
func (m memo) Get(key string) ([]byte, bool) { return m.store.GetMemo(key) }

// Put implements weights.Memo.
func (m memo) Put(key string, value []byte) { m.store.PutMemo(key, value) }

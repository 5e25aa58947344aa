package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

func cachePack(a *app) *cobra.Command {
	var opt weights.Options
	var threads int
	c := &cobra.Command{
		Use:   "pack MODEL",
		Short: "Pack a model's weights now, as runs do beside their work",
		Long: `Writes the UNet of a model folder or file into the cache as bf16 kernels read it, so that
runs map it instead of packing it in every step. Runs do the same in the background; this does it at
once. Packed weights take about what the UNet takes in fp16; flow cache clear --packed removes them.`,
		Args: takes(1, 1, "one MODEL"),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := disk(false)
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			m, err := sdxl.Open(args[0], opt)
			if err != nil {
				return err
			}
			defer func() { _ = m.Close() }()
			started := time.Now()
			made, err := packModel(c.Context(), d, m, threads)
			if err != nil {
				return &exitError{exitRun, err.Error()}
			}
			fmt.Fprintf(a.out, "%d files, %s; %d of them packed in %.1f s\n", made.Files, humanize.Bytes(uint64(made.Bytes)), made.Made, time.Since(started).Seconds())
			return nil
		},
	}
	c.Flags().StringVar(&opt.Variant, "variant", "", "read the weights of this variant, such as fp16")
	c.Flags().StringVar(&opt.Config, "config", "", "a diffusers folder that describes a single file")
	c.Flags().IntVar(&threads, "threads", 0, "workers; 0 for as many as the process may use")
	return c
}

// packModel packs what sampling reads in each step. What a run reads once - text encoders, the autoencoder - is not worth it.
func packModel(ctx context.Context, d *cache.Disk, m *sdxl.Model, threads int) (cpu.Packed, error) {
	const side, tokens = 64, 77 // panels do not depend on them
	exec := cpu.New()
	exec.Keep(cpu.Keeping{Store: panels.NewStore(d)})
	unet := sdxl.Denoise{UNet: m.UNet, Prediction: m.Scheduler.Prediction, Precision: program.BF16, Batch: 1, Height: side, Width: side,
		Tokens: tokens, Pooled: m.Text[1].Projection, Steps: 2, Guidance: 5}
	c, err := m.Files.Component(sdxl.UNet)
	if err != nil {
		return cpu.Packed{}, err
	}
	if _, err := c.Digest(ctx, cacheMemo{d}); err != nil {
		return cpu.Packed{}, err
	}
	src, err := m.Weights(sdxl.UNet)
	if err != nil {
		return cpu.Packed{}, err
	}
	p := program.Optimize(unet.Program())
	if _, err := src.Check(p.Weights()); err != nil {
		return cpu.Packed{}, err
	}
	return exec.PackAll(ctx, p, program.Options{Weights: src, Threads: threads})
}

// cacheMemo remembers digests of weights in the cache.
type cacheMemo struct{ d *cache.Disk }

// Get implements weights.Memo.
func (m cacheMemo) Get(key string) ([]byte, bool) { return m.d.GetMemo(key) }

// Put implements weights.Memo.
func (m cacheMemo) Put(key string, value []byte) { m.d.PutMemo(key, value) }

// clearPacked removes packed weights alone.
func (a *app) clearPacked(ctx context.Context) error {
	d, err := disk(false)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	n, size, err := d.ClearPacked(ctx)
	if err != nil {
		return &exitError{exitRun, err.Error()}
	}
	fmt.Fprintf(a.out, "removed %d files of packed weights, %s\n", n, humanize.Bytes(uint64(size)))
	return nil
}

// verifyPacked reads all packed weights and removes the damaged. It gives the number of files that were damaged, and the bytes read.
func (a *app) verifyPacked(ctx context.Context, d *cache.Disk) (damaged int, size int64, err error) {
	for key, bytes := range d.Packed() {
		if err := ctx.Err(); err != nil {
			return damaged, size, err
		}
		f, err := d.OpenPacked(key)
		if err != nil {
			continue // evicted meanwhile
		}
		size += bytes
		wrong := panels.Check(f)
		_ = f.Close()
		if wrong != nil {
			damaged++
			fmt.Fprintf(a.out, "packed weights %x: %v\n", key[:6], wrong)
			if err := d.RemovePacked(key); err != nil {
				return damaged, size, err
			}
		}
	}
	return damaged, size, nil
}

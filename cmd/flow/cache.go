package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

func cacheCommand(a *app) *cobra.Command {
	c := group(&cobra.Command{
		Use:   "cache",
		Short: "Look into the cache and tidy it",
		Long: `The cache keeps what nodes made, by the key of what they did. FLOW_CACHE_DIR is
its place, else "flow" in the user's cache folder. It is trimmed by itself, least
recently used first, to 20 GiB or a tenth of the disk. Weights that runs have packed for
later runs have half of that at most, and go first.`,
	})
	c.AddCommand(cacheLs(a), cacheShow(a), cacheGC(a), cacheClear(a), cachePack(a), cacheVerify(a), cacheDir(a), cachePin(a), cacheUnpin(a))
	return c
}

// disk opens the store on disk; commands of the cache need it.
func disk(readOnly bool) (*cache.Disk, error) {
	dir, err := cache.DefaultDir()
	if err != nil {
		return nil, &exitError{exitRun, err.Error()}
	}
	if readOnly {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return nil, &exitError{exitRun, "the cache is empty: there is no " + dir}
		}
	}
	d, err := cache.Open(dir, cache.Options{ReadOnly: readOnly})
	if err != nil {
		return nil, &exitError{exitRun, err.Error()}
	}
	return d, nil
}

func cacheDir(a *app) *cobra.Command {
	return &cobra.Command{Use: "dir", Short: "Print the cache's folder", Args: nothing, RunE: func(*cobra.Command, []string) error {
		dir, err := cache.DefaultDir()
		if err != nil {
			return &exitError{exitRun, err.Error()}
		}
		fmt.Fprintln(a.out, dir)
		return nil
	}}
}

// kindOf reads the kind out of an action document.
func kindOf(action json.RawMessage) string {
	var doc struct {
		Kind string `json:"kind"`
	}
	_ = json.Unmarshal(action, &doc) // a document that cannot be read has no kind to show
	return doc.Kind
}

func cacheLs(a *app) *cobra.Command {
	return &cobra.Command{Use: "ls", Short: "List what is kept", Args: nothing, RunE: func(c *cobra.Command, _ []string) error {
		if dir, err := cache.DefaultDir(); err == nil {
			if _, err := os.Stat(dir); os.IsNotExist(err) {
				fmt.Fprintf(a.out, "0 records: %s is not made yet\n", dir)
				return nil
			}
		}
		d, err := disk(true)
		if err != nil {
			return err
		}
		defer func() { _ = d.Close() }()
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "KEY\tKIND\tNODE\tSIZE\tMADE\tTOOK")
		for r, err := range d.Records() {
			if err != nil {
				fmt.Fprintf(w, "-\t%v\t\t\t\t\n", err)
				continue
			}
			var size int64
			for _, o := range r.Outputs {
				size += o.Size
			}
			took := r.Duration.Round(time.Millisecond).String()
			if pinned, err := d.Pinned(r.Key); err == nil && pinned {
				took += ", pinned"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", short(r.Key.String()), safetext.Line(kindOf(r.Action)), safetext.Line(r.Meta["node"]), humanize.Bytes(uint64(size)),
				r.Created.Local().Format("2006-01-02 15:04"), took)
		}
		unfinished(w, d)
		if err := w.Flush(); err != nil {
			return err
		}
		s, err := d.Stats(c.Context())
		if err != nil {
			return &exitError{exitRun, err.Error()}
		}
		fmt.Fprintf(a.out, "%d records, %s of %s in %s\n", s.Records, humanize.Bytes(uint64(s.Bytes)), humanize.Bytes(uint64(max(s.Cap, 0))), s.Dir)
		if s.Unfinished > 0 {
			fmt.Fprintf(a.out, "%d more that no run has finished; the next run goes on from there\n", s.Unfinished)
		}
		if s.Packed > 0 {
			fmt.Fprintf(a.out, "%s of that are packed weights, in %d files\n", humanize.Bytes(uint64(s.PackedSize)), s.Packed)
		}
		return nil
	}}
}

func cacheShow(a *app) *cobra.Command {
	var extract string
	c := &cobra.Command{
		Use:   "show KEY",
		Short: "Show a record: what was asked for and what was made",
		Long:  "Shows the record whose key begins with KEY, or how far that has come which no run has finished. --extract DIR writes its outputs there, as files that other programs open.",
		Args:  takes(1, 1, "one KEY"),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := disk(true)
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			key, err := keyOf(d, args[0])
			if c := checkpointOf(d, args[0]); err != nil && c != nil {
				return a.json(c)
			}
			if err != nil {
				return err
			}
			r, err := d.Get(key)
			if err != nil {
				return &exitError{exitRun, err.Error()}
			}
			if err := a.json(r); err != nil {
				return err
			}
			return a.extract(d, r, extract)
		},
	}
	c.Flags().StringVar(&extract, "extract", "", "write the outputs into this folder")
	return c
}

// keyOf finds the one record whose key begins with a text.
func keyOf(d *cache.Disk, begin string) (cache.ActionKey, error) {
	keys := d.Find(strings.ToLower(begin))
	switch len(keys) {
	case 0:
		return cache.ActionKey{}, fmt.Errorf("no record has a key that begins with %q; flow cache ls lists them", begin)
	case 1:
		return keys[0], nil
	}
	return cache.ActionKey{}, fmt.Errorf("%d records have a key that begins with %q; write more of it", len(keys), begin)
}

// extract writes a record's outputs as files; existing files stay.
func (a *app) extract(d *cache.Disk, r *cache.Record, dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return &exitError{exitRun, err.Error()}
	}
	for _, o := range r.Outputs {
		data, err := d.Read(o.Blob)
		if err != nil {
			return &exitError{exitRun, err.Error()}
		}
		path := filepath.Join(dir, filepath.Base(o.Port)+"."+o.Media)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return &exitError{exitRun, err.Error()}
		}
		_, err = f.Write(data)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return &exitError{exitRun, err.Error()}
		}
		fmt.Fprintln(a.err, "wrote", path)
	}
	return nil
}

func cacheGC(a *app) *cobra.Command {
	var age, size string
	var dry bool
	c := &cobra.Command{
		Use:     "gc",
		Short:   "Remove what was not used for long, or what is above a size",
		Example: "  flow cache gc --max-age 30d\n  flow cache gc --max-size 5GB --dry-run",
		Args:    nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			opt := cache.GCOptions{DryRun: dry}
			if age != "" {
				d, err := parseAge(age)
				if err != nil {
					return err
				}
				opt.MaxAge = d
			}
			if size != "" {
				n, err := humanize.ParseBytes(size)
				if err != nil || n > 1<<60 {
					return fmt.Errorf("--max-size %q is no size; write 5GB", size)
				}
				opt.MaxSize = int64(max(n, 1))
			}
			return a.tidy(c.Context(), func(ctx context.Context, d *cache.Disk) (*cache.Report, error) { return d.GC(ctx, opt) })
		},
	}
	c.Flags().StringVar(&age, "max-age", "", "remove what was not used for this long, such as 30d or 12h")
	c.Flags().StringVar(&size, "max-size", "", "remove the least recently used above this size (default: the cache's own bound)")
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would go and change nothing")
	return c
}

// parseAge reads a duration; days are allowed.
func parseAge(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days, "%d", &n); err == nil && n > 0 && n < 100_000 && fmt.Sprint(n) == days {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("--max-age %q is no time; write 30d or 12h", s)
	}
	return d, nil
}

func cacheClear(a *app) *cobra.Command {
	var packed bool
	c := &cobra.Command{Use: "clear", Short: "Remove everything that is kept", Args: nothing, RunE: func(c *cobra.Command, _ []string) error {
		if packed {
			return a.clearPacked(c.Context())
		}
		return a.tidy(c.Context(), func(ctx context.Context, d *cache.Disk) (*cache.Report, error) { return d.Clear(ctx) })
	}}
	c.Flags().BoolVar(&packed, "packed", false, "remove packed weights alone")
	return c
}

func (a *app) tidy(ctx context.Context, f func(context.Context, *cache.Disk) (*cache.Report, error)) error {
	d, err := disk(false)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	r, err := f(ctx, d)
	if err != nil {
		return &exitError{exitRun, err.Error()}
	}
	verb := "removed"
	if r.DryRun {
		verb = "would remove"
		for _, x := range r.Removed {
			fmt.Fprintf(a.out, "%s  last used %s\n", short(x.Key.String()), x.Used.Local().Format("2006-01-02 15:04"))
		}
	}
	fmt.Fprintf(a.out, "%s %d records, %s; %s left\n", verb, len(r.Removed), humanize.Bytes(uint64(max(0, r.Before-r.After))), humanize.Bytes(uint64(max(0, r.After))))
	if r.Checkpoints > 0 {
		fmt.Fprintf(a.out, "%s %d states of what no run has finished\n", verb, r.Checkpoints)
	}
	if r.Packed > 0 {
		fmt.Fprintf(a.out, "%s %d files of packed weights\n", verb, r.Packed)
	}
	if r.InUse > 0 {
		fmt.Fprintf(a.out, "%d records are in use by a running flow and stay\n", r.InUse)
	}
	return nil
}

func cacheVerify(a *app) *cobra.Command {
	return &cobra.Command{Use: "verify", Short: "Read everything that is kept and remove what is damaged", Args: nothing, RunE: func(c *cobra.Command, _ []string) error {
		d, err := disk(false)
		if err != nil {
			return err
		}
		defer func() { _ = d.Close() }()
		v, err := d.VerifyAll(c.Context())
		if err != nil {
			return &exitError{exitRun, err.Error()}
		}
		for _, x := range v.Damaged {
			fmt.Fprintf(a.out, "%+v\n", x)
		}
		damaged, size, err := a.verifyPacked(c.Context(), d)
		if err != nil {
			return &exitError{exitRun, err.Error()}
		}
		fmt.Fprintf(a.out, "%d damaged, %s read\n", len(v.Damaged)+damaged, humanize.Bytes(uint64(v.Bytes+size)))
		return nil
	}}
}

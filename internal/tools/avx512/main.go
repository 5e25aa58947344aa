// Command avx512 shows, on any machine with Debian's tools, that the tiers of AVX-512 give the bits of the others: it starts Linux in an emulated
// processor that has them, runs tests of kernels, operations and whole steps there, renders the examples small, and holds their digests against
// docs/digests.json.
//
//	internal/tools/avx512/prepare.sh ~/.cache/flow-avx512      # once: Bochs, a kernel and a loader
//	go run ./internal/tools/avx512                             # in the repository's root
//
// The emulator is Bochs, whose arithmetic is Berkeley SoftFloat: integers, no instruction of this machine's vector units. Each job has a machine of its own;
// -machines says how many run at once, -only which. What a machine wrote lies below -work, whose default is a folder that is removed.
// -update adds the rows to the document.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/digests"
	"github.com/seed-8af8f8e1/flow/internal/tools/avx512/job"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "avx512:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	parts, work, document string
	only                  *regexp.Regexp
	machines              int
	update                bool
}

// parse reads the flags.
func parse(args []string, progress io.Writer) (*options, error) {
	fs := flag.NewFlagSet("avx512", flag.ContinueOnError)
	fs.SetOutput(progress)
	cache, _ := os.UserCacheDir()
	var o options
	fs.StringVar(&o.parts, "parts", filepath.Join(cache, "flow-avx512"), "the folder that prepare.sh made")
	fs.StringVar(&o.work, "work", "", "a folder for the machines' files, which stay")
	fs.StringVar(&o.document, "digests", "docs/digests.json", "the document to compare with")
	fs.IntVar(&o.machines, "machines", 2, "how many machines run at once, each on one processor with 2 GB")
	fs.BoolVar(&o.update, "update", false, "add the rows to the document")
	only := fs.String("only", "", "a regular expression of the jobs to run")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 || o.machines < 1 {
		return nil, fmt.Errorf("%q, %d machines: no argument is wanted, and a machine at least", fs.Args(), o.machines)
	}
	var err error
	o.only, err = regexp.Compile(*only)
	return &o, err
}

// run does what the arguments say.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	p, err := partsOf(o.parts)
	if err != nil {
		return err
	}
	all, err := readDocument(o.document)
	if err != nil {
		return fmt.Errorf("%w; run it in the repository's root", err)
	}
	if o.work == "" {
		if o.work, err = os.MkdirTemp("", "avx512-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(o.work) }()
	}
	if o.work, err = filepath.Abs(o.work); err != nil {
		return err
	}
	if err := os.MkdirAll(o.work, 0o755); err != nil {
		return err
	}
	fmt.Fprintln(progress, "building the machine's programs")
	f, err := build(ctx, o.work)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(jobs(), func(j job.Job) bool { return !o.only.MatchString(j.Name) })
	if len(list) == 0 {
		return fmt.Errorf("-only %s: there is no such job", o.only)
	}
	wrong := o.runAll(ctx, p, f, list, all, out)
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	fmt.Fprintln(out, "the bits of AVX-512 are those of the other tiers")
	if !o.update {
		return nil
	}
	return writeDocument(o.document, all)
}

// runAll runs each job in a machine of its own, some at once, writes a line for each, adds what they rendered to the document, and lists what is wrong.
func (o *options) runAll(ctx context.Context, p *parts, f files, list []job.Job, all *digests.Document, out io.Writer) (wrong []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	described := false
	places := make(chan struct{}, o.machines)
	for _, j := range list {
		wg.Add(1)
		places <- struct{}{}
		go func() {
			defer func() { <-places; wg.Done() }()
			start := time.Now()
			done, made, err := o.runJob(ctx, p, f, j)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("%s: %v", j.Name, err))
				return
			}
			if !described {
				fmt.Fprintf(out, "%s\n%s, emulated\n%s\n\n", p.version, done.processor, done.kernel)
				described = true
			}
			done.line(out, j.Name, time.Since(start).Minutes())
			if made != nil {
				wrong = append(wrong, hold(all, made)...)
			}
		}()
	}
	wg.Wait()
	return wrong
}

// runJob runs a job and gives, where it renders the examples, what the AVX-512 tiers made. A job that failed or showed nothing is an error.
func (o *options) runJob(ctx context.Context, p *parts, f files, j job.Job) (*outcome, *digests.Document, error) {
	dir := filepath.Join(o.work, j.Name)
	console, err := p.boot(ctx, dir, f, []job.Job{j})
	if err != nil {
		return nil, nil, err
	}
	done, err := read(console, j)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; the console's last lines:\n%s", err, tail(string(console)))
	}
	if done.code != "0" {
		return nil, nil, fmt.Errorf("exit code %s:\n%s", done.code, done.failures())
	}
	if j.Args[0] != "/flow" {
		if done.passed() == 0 {
			return nil, nil, errors.New("no test was run")
		}
		return done, nil, nil
	}
	made, err := done.document()
	if err != nil {
		return nil, nil, err
	}
	return done, made, emulated(made)
}

func readDocument(file string) (*digests.Document, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return digests.Read(f)
}

func writeDocument(file string, d *digests.Document) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	err = d.Write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

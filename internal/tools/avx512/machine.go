package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/tools/avx512/job"
)

// parts are the files that prepare.sh puts into its folder.
type parts struct {
	bochs, bios, vga string // the emulator and its machine's firmware
	kernel           string
	isolinux, loader string // what the firmware starts, and what that reads
	version          string // a line on what these are
}

// partsOf looks for the parts below a folder.
func partsOf(dir string) (*parts, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	p := &parts{
		bochs: filepath.Join(dir, "bochs"), bios: filepath.Join(dir, "BIOS-bochs-latest"), vga: filepath.Join(dir, "VGABIOS-lgpl-latest.bin"),
		kernel: filepath.Join(dir, "vmlinuz"), isolinux: filepath.Join(dir, "isolinux.bin"), loader: filepath.Join(dir, "ldlinux.c32"),
	}
	for _, file := range []string{p.bochs, p.bios, p.vga, p.kernel, p.isolinux, p.loader} {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("%w; internal/tools/avx512/prepare.sh %s makes it", err, dir)
		}
	}
	version, err := os.ReadFile(filepath.Join(dir, "version"))
	if err != nil {
		return nil, err
	}
	p.version = strings.TrimSpace(string(version))
	return p, nil
}

// perSecond is how many instructions the machine takes for a second of its time: about as many as the emulator does in one of ours. With more, waiting for
// a disc would take longer, with fewer timers would interrupt it more often.
const perSecond = 50_000_000

// settings is the emulator's configuration: a machine with one processor, a CD to start from, and a console in a file. What flow does
// not use and an operating system has to manage is left out.
func (p *parts) settings(dir string) string {
	return fmt.Sprintf(`cpu: model=sapphire_rapids, count=1, ips=%d, reset_on_triple_fault=0, exclude_features="amx,amx_int8,amx_bf16,la57,pku,pks,cet,uintr,serialize,waitpkg"
memory: guest=2048, host=2048
romimage: file=%s
vgaromimage: file=%s
ata0-master: type=cdrom, path=%s, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=%s
display_library: nogui
clock: sync=none, time0=utc
log: %s
panic: action=fatal
`, perSecond, p.bios, p.vga, filepath.Join(dir, "boot.iso"), filepath.Join(dir, "console"), filepath.Join(dir, "log"))
}

// bootSettings are those of the CD's loader. Options of the kernel: no guards against attackers, who are not in the machine; and no copies by
// the instructions that fsrm stands for, with which a kernel does not start in this emulator.
const bootSettings = `DEFAULT flow
PROMPT 0
LABEL flow
 KERNEL linux
 INITRD first
 APPEND console=ttyS0 quiet mitigations=off nopti nokaslr panic=-1 tsc=reliable clearcpuid=fsrm
`

// disc makes the CD: loader, kernel, and the first files with the jobs.
func (p *parts) disc(ctx context.Context, dir string, f files, jobs []job.Job) error {
	tree := filepath.Join(dir, "disc")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tree) }()
	for name, from := range map[string]string{"linux": p.kernel, "isolinux.bin": p.isolinux, "ldlinux.c32": p.loader} {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(tree, name), data, 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(tree, "isolinux.cfg"), []byte(bootSettings), 0o644); err != nil {
		return err
	}
	first, err := os.Create(filepath.Join(tree, "first"))
	if err != nil {
		return err
	}
	err = f.archive(first, jobs)
	if closed := first.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	iso := exec.CommandContext(ctx, "xorriso", "-as", "mkisofs", "-quiet", "-o", filepath.Join(dir, "boot.iso"), "-b", "isolinux.bin", "-c", "boot.cat",
		"-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree)
	if out, err := iso.CombinedOutput(); err != nil {
		return fmt.Errorf("xorriso: %w: %s", err, out)
	}
	return nil
}

// archive writes the machine's first files, compressed: a CD is read slowly.
func (f files) archive(w io.Writer, jobs []job.Job) error {
	compressed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is one
	a := newArchive(compressed)
	for name, from := range f {
		if info, err := os.Stat(from); err == nil && info.IsDir() {
			a.tree(name, from)
			continue
		}
		a.file(name, from)
	}
	text, err := json.Marshal(jobs)
	if err != nil {
		return err
	}
	a.data(strings.TrimPrefix(job.File, "/"), text)
	if err := a.close(); err != nil {
		return err
	}
	return compressed.Close()
}

// boot runs jobs in a machine of its own, whose files lie in dir, and gives what stood on its console.
func (p *parts) boot(ctx context.Context, dir string, f files, jobs []job.Job) ([]byte, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := p.disc(ctx, dir, f, jobs); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "bochsrc"), []byte(p.settings(dir)), 0o644); err != nil {
		return nil, err
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(inner, p.bochs, "-q", "-f", "bochsrc")
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed as a rule; what it did stands on the console
		close(ended)
	}()
	follow(filepath.Join(dir, "console"), ended)
	stop()
	<-ended
	console, err := os.ReadFile(filepath.Join(dir, "console"))
	if err != nil {
		return nil, fmt.Errorf("bochs made no console; see %s: %w", filepath.Join(dir, "log"), err)
	}
	return console, ctx.Err()
}

// follow waits until a console says that its machine is done, or has failed, or the channel is closed.
func follow(console string, ended <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		text, _ := os.ReadFile(console) // not there yet: the next time
		if bytes.Contains(text, []byte("\n"+job.Off)) || bytes.Contains(text, []byte("Kernel panic")) {
			return
		}
	}
}

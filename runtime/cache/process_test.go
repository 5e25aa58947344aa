package cache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test binary run with childVar is another process at a store:
// "job:argument:folder".
const childVar = "FLOW_CACHE_TEST_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childVar); job != "" {
		if err := child(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(job string) error {
	parts := strings.SplitN(job, ":", 3)
	n, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return err
	}
	switch dir := parts[2]; parts[0] {
	case "loop":
		return childLoop(dir, n, 1<<30)
	case "work":
		return childLoop(dir, n, 60)
	case "die-at":
		return childDieAt(dir, int(n))
	case "limit":
		return childLimit(dir)
	}
	return fmt.Errorf("no job %s", job)
}

// start runs a child.
func start(t *testing.T, job string, n uint64, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s:%d:%s", childVar, job, n, dir))
	cmd.Stderr = new(strings.Builder)
	return cmd
}

// samples that the children work with. Their store holds about half of them.
const (
	childSamples = 24
	childCap     = 150_000
)

// childLoop does things at random and checks every answer. What it has used it
// must keep, whatever the others evict.
func childLoop(dir string, seed uint64, rounds int) error {
	d, err := Open(dir, Options{Cap: childCap})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	r := rand.New(rand.NewPCG(seed, 7))
	used := make(map[sample]bool)
	for range rounds {
		s := sample(r.IntN(childSamples))
		switch r.IntN(12) {
		case 10:
			err = s.putPacked(d)
		case 11:
			_, err = s.getPacked(d)
		case 0, 1, 2, 3:
			if _, err := s.put(d); err != nil {
				return fmt.Errorf("sample %d: %w", s, err)
			}
			used[s] = true
		case 4, 5, 6:
			hit, reason, err := s.get(d)
			if err == nil && used[s] && !hit {
				err = fmt.Errorf("sample %d was leased and is gone: %w", s, reason)
			}
			if err != nil {
				return err
			}
			used[s] = used[s] || hit
		case 7:
			_, err = d.Trim(context.Background())
		case 8:
			key := fmt.Sprint("memo", s)
			d.PutMemo(key, s.bytes("latents"))
			if val, ok := d.GetMemo(key); ok && string(val) != string(s.bytes("latents")) {
				return fmt.Errorf("memo %s is wrong", key)
			}
		case 9:
			if len(used) > 6 {
				clear(used)
				err = d.Release()
			}
		}
		if err != nil {
			return err
		}
	}
	return d.Close()
}

// checkStore looks at a store that children were killed in: it opens, every
// answer is right, nothing is damaged, and after a GC nothing is left over.
func checkStore(t *testing.T, dir string) (hits int) {
	t.Helper()
	d, err := Open(dir, Options{Cap: childCap})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i := range sample(childSamples) {
		hit, reason, err := i.get(d)
		var miss *Miss
		if err != nil || !hit && (!errors.As(reason, &miss) || miss.Reason != NeverRun && miss.Reason != Evicted) {
			t.Errorf("sample %d: %v, %v", i, reason, err)
		}
		if hit {
			hits++
		}
		if _, err := i.getPacked(d); err != nil {
			t.Error(err)
		}
	}
	if v, err := d.VerifyAll(t.Context()); err != nil || len(v.Damaged) != 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
	s := sample(childSamples + 1)
	s.mustPut(t, d)
	s.mustHit(t, d)
	mustGC(t, d, GCOptions{})
	clean(t, d)
	return hits
}

// Processes that put, get and trim at once agree.
func TestProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache") // made by whoever comes first
	var cmds []*exec.Cmd
	for i := range 4 {
		cmd := start(t, "work", uint64(i), dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v: %v", i, err, cmd.Stderr)
		}
	}
	if hits := checkStore(t, dir); hits == 0 {
		t.Error("nothing was kept: the test does not test")
	}
}

// Goroutines of one process may share one Disk.
func TestGoroutines(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{Cap: childCap})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range 25 {
				s := sample(r.IntN(8))
				if _, err := s.put(d); err != nil {
					t.Error(err)
				}
				if hit, reason, err := s.get(d); !hit {
					t.Error(reason, err)
				}
				if _, err := d.Trim(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	clean(t, d)
}

// A process can be killed at any moment.
func TestKilledAtRandom(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	const lanes = 3
	kills := 300
	if testing.Short() {
		kills = 45
	}
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(lane), 3))
			for i := range kills / lanes {
				if err := startAndKill(t, uint64(lane*1000+i), dir, r); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	litter := tree(t, filepath.Join(dir, version, tmpDir))
	if hits := checkStore(t, dir); hits == 0 {
		t.Error("nothing was kept: the test does not test")
	}
	t.Logf("%d kills; at the end %d temporary files were left, %v", kills, len(litter), litter)
}

// startAndKill kills one child some milliseconds after it has opened the store.
func startAndKill(t *testing.T, seed uint64, dir string, r *rand.Rand) error {
	cmd := start(t, "loop", seed, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	_, readErr := bufio.NewReader(out).ReadString('\n')
	time.Sleep(time.Duration(r.IntN(60_000)) * time.Microsecond)
	killErr := cmd.Process.Kill()
	err = cmd.Wait()
	if readErr != nil || killErr != nil || cmd.ProcessState.Exited() && cmd.ProcessState.ExitCode() == 3 {
		return fmt.Errorf("child ended by itself: %v, %v: %v", err, readErr, cmd.Stderr)
	}
	return nil
}

// childDieAt does everything once and kills itself before change number n of
// the folder. If there are not so many, it ends.
func childDieAt(dir string, n int) error {
	ops := 0
	d, err := Open(dir, Options{Cap: -1, fault: func(op, name string) error {
		if ops++; ops == n {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				return err
			}
			self.Kill()
			select {}
		}
		return nil
	}})
	if err != nil {
		return err
	}
	for _, s := range []sample{0, 5, 21} {
		if _, err := s.put(d); err != nil {
			return err
		}
	}
	d.PutMemo("a", []byte("x"))
	if err := errors.Join(sample(3).putPacked(d), sample(3).putPacked(d), sample(4).putPacked(d)); err != nil {
		return err
	}
	if err := d.Pin(sample(21).key()); err != nil {
		return err
	}
	if err := errors.Join(d.Unpin(sample(21).key()), d.Release()); err != nil {
		return err
	}
	if hit, reason, err := sample(21).get(d); !hit {
		return errors.Join(reason, err)
	}
	if _, err := d.GC(context.Background(), GCOptions{MaxSize: 1}); err != nil {
		return err
	}
	if _, err := d.Clear(context.Background()); err != nil {
		return err
	}
	return d.Close()
}

// A process can be killed before each single change that it makes.
func TestKilledAtEachStep(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 5
	}
	dir := filepath.Join(t.TempDir(), "cache")
	litter := 0
	for n := 1; ; n += step {
		before := mustOpen(t, dir, Options{Cap: -1})
		for _, s := range []sample{1, 2, 5} {
			s.mustPut(t, before)
		}
		before.Close()
		cmd := start(t, "die-at", uint64(n), dir)
		err := cmd.Run()
		if err != nil && cmd.ProcessState.Exited() && cmd.ProcessState.ExitCode() == 3 {
			t.Fatalf("step %d: %v", n, cmd.Stderr)
		}
		litter += len(tree(t, filepath.Join(dir, version, tmpDir)))
		checkStore(t, dir)
		if err == nil {
			t.Logf("%d steps", n)
			if n < 50 {
				t.Errorf("only %d steps", n)
			}
			break
		}
		if t.Failed() {
			t.Fatalf("after step %d", n)
		}
	}
	if litter == 0 {
		t.Error("nothing was ever left half-written: the test does not test")
	}
}

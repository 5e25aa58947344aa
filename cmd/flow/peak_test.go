package main

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestPeakIsWhatARunTakes compares the peak that flow plan says with what the system counts of a run in a process of its own: both classes, a first run and
// one that finds its weights known, with and without low memory, of a small picture and of one that decoding takes the most for. With many workers some find
// nothing to do in so small a model, and do not touch the working memory that is planned for them.
func TestPeakIsWhatARunTakes(t *testing.T) {
	if highWater(os.Getpid()) == 0 {
		t.Skip("this system does not say what a process had resident at most")
	}
	if underRace {
		t.Skip("the race detector takes memory of its own")
	}
	t.Parallel()
	models, err := filepath.Abs("../../examples/castle")
	if err != nil {
		t.Fatal(err)
	}
	tiny, err := os.ReadFile("testdata/tiny.flow.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tiny.flow.yaml") // without its lock, which is of one class
	if err := os.WriteFile(file, tiny, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, precision := range []string{"bf16", "fp32"} {
		for _, size := range []string{"64", "320"} {
			for _, flags := range [][]string{nil, {"--low-memory"}} {
				env := []string{"FLOW_CACHE_DIR=" + t.TempDir(), "FLOW_MODELS=" + models}
				for run, seed := range []string{"1", "2"} {
					args := append([]string{file, "--threads", "2", "--precision", precision, "-p", "size=" + size, "-p", "seed=" + seed}, flags...)
					var said struct{ Peak peakJSON }
					out, code := flowAt(t, t.TempDir(), env, append([]string{"plan", "--json"}, args...)...)
					if err := json.Unmarshal([]byte(out), &said); err != nil || code != exitOK {
						t.Fatalf("exit code %d, %v:\n%s", code, err, out)
					}
					planned, taken := said.Peak.Bytes, residentOf(t, t.TempDir(), env, append([]string{"run"}, args...)...)
					off := float64(taken)/float64(planned) - 1
					t.Logf("%s, %s pixels, flags %v, run %d: planned %.1f MB (%+v), taken %.1f MB, %+.1f%%", precision, size, flags, run+1, float64(planned)/1e6, said.Peak, float64(taken)/1e6, 100*off)
					if math.Abs(off) > 0.1 || planned != said.Peak.Weights+said.Peak.Working+said.Peak.Program {
						t.Errorf("%s, %s pixels, flags %v, run %d: planned %+v, taken %d", precision, size, flags, run+1, said.Peak, taken)
					}
				}
			}
		}
	}
}

// residentOf runs the command in a process of its own and gives the most memory in bytes that it had resident, pages of mapped files included.
func residentOf(t *testing.T, dir string, env []string, args ...string) int64 {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Args[0] = "flow" // the test binary is the command under this name
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	var said strings.Builder
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var most int64 // the last word of the system before the end: what it counts never falls
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("flow %s: %v\n%s", strings.Join(args, " "), err, said.String())
			}
			return most
		case <-tick.C:
			most = max(most, highWater(c.Process.Pid))
		}
	}
}

// highWater is the most memory in bytes that a process has had resident; 0 where the system does not say.
func highWater(pid int) int64 {
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, "kB")
	kb, _ := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return kb << 10
}

package weights

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// openOnly names the file that a process started by checkMemory opens.
const openOnly = "FLOW_TEST_OPEN"

func TestMain(m *testing.M) {
	path, ok := os.LookupEnv(openOnly)
	if !ok {
		os.Exit(m.Run())
	}
	if _, err := OpenFile(path); err != nil {
		fmt.Println(err)
	} else {
		fmt.Println("opened")
	}
	status, _ := os.ReadFile("/proc/self/status") // linux only
	fmt.Printf("%s", status)
}

// checkMemory opens path in a process of its own, whose answer must hold want and
// which may take 200 MB at its peak, where the system tells.
func checkMemory(t *testing.T, path, want string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), openOnly+"="+path)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		t.Fatalf("%v: %.500s", err, out)
	}
	peak := regexp.MustCompile(`VmHWM:\s*([0-9]+) kB`).FindSubmatch(out)
	if peak == nil {
		return
	}
	kb, err := strconv.Atoi(string(peak[1]))
	if err != nil || kb > 200_000 {
		t.Errorf("%s: %d kB of memory, error %v", want, kb, err)
	}
	t.Logf("%s: %d kB of memory", want, kb)
}

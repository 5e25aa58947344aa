// Command guest is the first process of the emulated machine: it runs the jobs that it finds, one after another, with their output on
// the console, and says when the last one has ended.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-8af8f8e1/flow/internal/tools/avx512/job"
)

func main() {
	if err := run(); err != nil {
		fmt.Println(job.Failed + err.Error())
	}
	fmt.Println(job.Off)
	_ = unix.IoctlSetInt(int(os.Stdout.Fd()), unix.TCSBRK, 1) // as tcdrain does: the console's last lines are still on their way
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	select {} // a first process that ends is a panic of the kernel
}

// run mounts what programs ask of a system, describes the machine, and runs the jobs.
func run() error {
	for dir, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs", "/tmp": "tmpfs"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(kind, dir, kind, 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", dir, err)
		}
	}
	if err := describe(); err != nil {
		return err
	}
	text, err := os.ReadFile(job.File)
	if err != nil {
		return err
	}
	var jobs []job.Job
	if err := json.Unmarshal(text, &jobs); err != nil {
		return fmt.Errorf("%s: %w", job.File, err)
	}
	for i := range jobs {
		if err := runJob(&jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

// describe says what kernel and processor these are.
func describe() error {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(string(info), "\n") {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "model name":
			fmt.Println(job.Processor + strings.TrimSpace(value))
		case "flags":
			fmt.Println(job.Flags + strings.TrimSpace(value))
		}
	}
	version, err := os.ReadFile("/proc/version")
	if err != nil {
		return err
	}
	fmt.Println(job.Kernel + strings.TrimSpace(string(version)))
	return nil
}

// runJob runs a job. An error is one of starting it; its own failure is its exit code.
func runJob(j *job.Job) error {
	fmt.Println(job.Begin + j.Name)
	start := time.Now()
	cmd := exec.Command(j.Args[0], j.Args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = j.Dir, os.Stdout, os.Stdout
	cmd.Env = append([]string{"HOME=/tmp", "TMPDIR=/tmp", "FLOW_CACHE_DIR=/tmp/flow"}, j.Env...)
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", j.Name, err)
	}
	fmt.Printf("%s%s %d %.1f\n", job.End, j.Name, cmd.ProcessState.ExitCode(), time.Since(start).Seconds())
	return nil
}

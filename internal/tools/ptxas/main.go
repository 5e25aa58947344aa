// Command ptxas compiles the kernels of cuda/kernels to machine code with NVIDIA's ptxas and writes what each takes of a processor
// to docs/cuda-resources.md: registers, shared memory, spills, occupancy, and what the main loops of the tensor kernels are made of.
// ptxas and nvdisasm are looked for in PATH, or where the flags -ptxas and -nvdisasm say; docs/cuda-resources.md says where to get them.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
)

func main() {
	var t tools
	flag.StringVar(&t.ptxas, "ptxas", "ptxas", "the assembler")
	flag.StringVar(&t.nvdisasm, "nvdisasm", "nvdisasm", "the disassembler")
	out := flag.String("o", "docs/cuda-resources.md", "the page to write")
	check := flag.Bool("check", false, "compare with the page instead, and fail where they differ")
	flag.Parse()
	if err := run(t, *out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "ptxas:", err)
		os.Exit(1)
	}
}

// run writes the page, or compares it.
func run(t tools, page string, check bool) error {
	r, err := measure(t)
	if err != nil {
		return err
	}
	if err := r.verify(); err != nil {
		return err
	}
	text := r.markdown()
	if !check {
		return os.WriteFile(page, text, 0o644)
	}
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	if !bytes.Equal(old, text) {
		return fmt.Errorf("%s is not what ptxas %s gives: run go run ./internal/tools/ptxas", page, r.version)
	}
	return nil
}

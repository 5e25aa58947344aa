package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const said = `ptxas info    : Compiling entry function 'a' for 'sm_80'
ptxas info    : Function properties for a
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 239 registers, used 1 barriers, 49152 bytes smem, 360 bytes cmem[0]
ptxas info    : Compiling entry function 'b' for 'sm_80'
ptxas info    : Function properties for b
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 14 registers, 360 bytes cmem[0]
`

func TestUsage(t *testing.T) {
	threads := threadsOf(".visible .entry a(\n)\n.maxntid 256, 1, 1\n{}\n.visible .entry b(\n)\n")
	u, err := readUsage(said, threads)
	if err != nil {
		t.Fatal(err)
	}
	want := []usage{{kernel: "a", threads: 256, registers: 239, shared: 49152, stack: 8, spill: 16}, {kernel: "b", threads: 128, registers: 14}}
	if u[0] != want[0] || u[1] != want[1] {
		t.Errorf("got %+v", u)
	}
	if err := (&report{usage: u}).verify(); err == nil || !strings.Contains(err.Error(), "spills 16 bytes") {
		t.Errorf("a spill gives %v", err)
	}
	if _, err := readUsage("", threads); err == nil {
		t.Error("kernels that ptxas does not name are no error")
	}
}

func TestOccupancy(t *testing.T) {
	for _, c := range []struct {
		u    usage
		want int
	}{
		{usage{arch: 80, threads: 128, registers: 239, shared: 49152}, 8}, // by registers
		{usage{arch: 86, threads: 128, registers: 96, shared: 41984}, 8},  // by shared memory
		{usage{arch: 80, threads: 128, registers: 14}, 64},                // by warps
		{usage{arch: 86, threads: 32, registers: 14}, 16},                 // by blocks
		{usage{arch: 90, threads: 128, registers: 90, shared: 41984}, 20}, // 5 blocks by both
	} {
		if got, _, known := c.u.occupancy(); got != c.want || !known {
			t.Errorf("%+v: %d warps, want %d", c.u, got, c.want)
		}
	}
	if _, _, known := (&usage{arch: 999, threads: 128, registers: 14}).occupancy(); known {
		t.Error("an unknown architecture has limits")
	}
}

func TestArchitectures(t *testing.T) {
	archs, err := architectures("sm_75 sm_80 sm_90a sm_103f sm_121 'compute_130'")
	if err != nil || len(archs) != 5 || archs[4] != 121 {
		t.Errorf("got %v, %v", archs, err)
	}
	if _, err := architectures("sm_70"); err == nil {
		t.Error("a ptxas without sm_90 is no error")
	}
}

const sass = `
.text.other:
.L_x_9:
        /*0000*/                   HMMA.16816.F32 R0, R0, R0, R0 ;
        /*0010*/                   STL [R1], R0 ;
        /*0020*/              @P2 BRA ` + "`(.L_x_9)" + ` ;
.text.k:
        /*0000*/                   LDGSTS.E.128 [R0], [R2] ;
.L_x_0:
        /*0010*/              @!P0 LDGSTS.E.128 [R0], [R2] ;
.L_x_1:
        /*0020*/                   LDSM.16.M88.4 R4, [R0] ;
        /*0030*/                   HMMA.16816.F32 R8, R4.reuse, R6, R8 ;
        /*0040*/                   HMMA.16816.F32 R8, R4, R6, R8 ;
        /*0050*/              @P1 BRA ` + "`(.L_x_1)" + ` ;
        /*0060*/              @P2 BRA ` + "`(.L_x_0)" + ` ;
`

func TestMainLoop(t *testing.T) {
	l, err := mainLoop(sass, "k")
	if err != nil || l != (loop{kernel: "k", all: 4, hmma: 2, ldsm: 1}) {
		t.Errorf("got %+v, %v", l, err)
	}
	l, err = mainLoop(sass, "other")
	if err != nil || l.local != 1 {
		t.Errorf("got %+v, %v", l, err)
	}
	if err := (&report{loops: []loop{l}}).verify(); err == nil {
		t.Error("local memory is no error")
	}
	if err := (&report{loops: []loop{{kernel: "product_f16_128", hmma: 32, ldsm: 13, ldgsts: 4}}}).verify(); err == nil {
		t.Error("32 HMMA for 13 LDSM are no error")
	}
	if _, err := mainLoop(sass, "none"); err == nil {
		t.Error("a kernel that is not there has a loop")
	}
}

// TestPage holds the page against what the tools give, where they are in PATH.
func TestPage(t *testing.T) {
	if testing.Short() {
		t.Skip("compiling all kernels takes half a minute")
	}
	for _, name := range []string{"ptxas", "nvdisasm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not in PATH; docs/cuda-resources.md says where to get it", name)
		}
	}
	r, err := measure(tools{"ptxas", "nvdisasm"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.verify(); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/cuda-resources.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "ptxas "+r.version+" ") {
		t.Skipf("the page is of another ptxas than %s; spills and main loops are right", r.version)
	}
	if string(page) != string(r.markdown()) {
		t.Error("docs/cuda-resources.md is stale: go run ./internal/tools/ptxas")
	}
}

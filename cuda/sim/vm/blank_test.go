package vm

import "testing"

// Blank addresses read as zero and keep nothing, data behind them is read, and what lies beyond is out of bounds; blocks that are not asked for do not run.
func TestBlank(t *testing.T) {
	mem := NewMemory()
	m, err := Compile(kernelOf("ld.global.u32 %r0, [%d13]; st.global.u32 [%d13], %r1; ld.global.u32 %r2, [%d13+64];"), mem)
	if err != nil {
		t.Fatal(err)
	}
	blank := mem.AllocBlank(threads*32, make([]byte, threads*32+64), "blank")
	run := func(from uint64, only []int) (Counters, error) {
		var c Counters
		err := Run(mem, &Launch{Kernel: m.Kernels["k"], Grid: [3]int{5, 1, 1}, Block: [3]int{threads, 1, 1}, Dynamic: threads * 4,
			Args: []uint64{from, from}, Only: only}, &Config{Checks: CountAccess}, &c)
		return c, err
	}
	all, err := run(blank.Base, nil)
	if err != nil {
		t.Fatal(err)
	}
	some, err := run(blank.Base, []int{1, 4})
	if err != nil {
		t.Fatal(err)
	}
	if all.Blocks != 5 || some.Blocks != 2 || 5*some.GlobalLoad.Units != 2*all.GlobalLoad.Units || all.GlobalStore.Bytes == 0 {
		t.Errorf("of 5 blocks %+v, of 2 %+v", all, some)
	}
	some.Scale(5)
	if all.Scale(2); some.Warps != all.Warps {
		t.Errorf("instructions %v, scaled %v", all.Warps, some.Warps)
	}
	if _, err := run(blank.Base+threads*64, nil); err == nil {
		t.Error("addresses past the end are read")
	}
	if _, err := run(blank.Base, []int{5}); err == nil {
		t.Error("block 5 of 5 runs")
	}
}

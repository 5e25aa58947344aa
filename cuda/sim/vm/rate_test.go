package vm

import (
	"testing"
	"time"
)

// loop wraps instructions into a loop of 1000 rounds, so that a kernel spends its time in them.
func loop(body string) string {
	return kernelOf("mov.u32 %r6, 0;\nLOOP:\n" + body + "\nadd.s32 %r6, %r6, 1;\nsetp.lt.s32 %p1, %r6, 1000;\n@%p1 bra LOOP;")
}

// BenchmarkRate measures instructions of lanes on one core.
func BenchmarkRate(b *testing.B) {
	bodies := []struct{ name, body string }{
		{"integers", "add.s32 %r0, %r1, %r2; mul.lo.s32 %r1, %r0, %r3; xor.b32 %r2, %r1, %r0; shl.b32 %r3, %r2, 3; mad.lo.s32 %r4, %r1, %r2, %r3;"},
		{"fma", "fma.rn.f32 %r0, %r1, %r2, %r0; fma.rn.f32 %r3, %r1, %r2, %r3; fma.rn.f32 %r4, %r1, %r2, %r4; add.rn.f32 %r5, %r0, %r3;"},
		{"global", "ld.global.u64 %d4, [%d13]; ld.global.u32 %r0, [%d13+8]; ld.global.v4.u32 {%r0, %r1, %r2, %r3}, [%d13];"},
		{"shared", "st.shared.u32 [%r5], %r1; ld.shared.u32 %r0, [%r5]; ld.shared.u32 %r3, [%r5];"},
	}
	for _, c := range bodies {
		for name, checks := range map[string]Checks{"full": Full, "quick": Quick} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				mem := NewMemory()
				m, err := Compile(loop("shl.b32 %r5, %r7, 2; add.s32 %r5, %r5, 1024;"+c.body), mem)
				if err != nil {
					b.Fatal(err)
				}
				in, out := upload(mem, "in", make([]uint32, threads*8)), mem.Alloc(threads*8, "out")
				l := &Launch{Kernel: m.Kernels["k"], Grid: [3]int{1, 1, 1}, Block: [3]int{threads, 1, 1}, Dynamic: threads * 4, Args: []uint64{in.Base, out.Base}}
				var count Counters
				start := time.Now()
				for b.Loop() {
					if err := Run(mem, l, &Config{Checks: checks, Workers: 1}, &count); err != nil {
						b.Fatal(err)
					}
				}
				_, lanes := count.Instructions()
				b.ReportMetric(float64(lanes)/time.Since(start).Seconds()/1e6, "Mlanes/s")
			})
		}
	}
}

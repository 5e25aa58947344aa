package kernel

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instructions are those that each guard asks for. Scalar instructions are in every processor.
var instructions = map[string][]string{
	"scalar": strings.Fields("ADDQ SUBQ INCQ DECQ CMPQ TESTL TESTQ PREFETCHT0 PREFETCHT1 SHLQ SHRL CMPL ORL XORQ LEAQ MOVQ MOVL MOVBLZX LDMXCSR STMXCSR JMP JEQ JNE JNZ JGE JGT JLE JLT RET PCALIGN"),
	// AVX, AVX2, FMA, F16C.
	"avx2": strings.Fields("VADDPS VADDSS VSUBPS VMULPS VDIVPS VMAXPS VMINPS VANDPS VORPS VXORPS VBLENDVPS VCMPPS VBROADCASTSS VCVTPS2DQ VEXTRACTF128 VINSERTF128 VPERM2F128 " +
		"VMASKMOVPS VMOVUPS VMOVSS VMOVHLPS VMOVSHDUP VMOVMSKPS VSHUFPS VUNPCKHPS VUNPCKLPS VZEROUPPER " +
		"VPUNPCKLWD VPUNPCKHWD VPACKUSDW VPADDD VPSUBD VPAND VPCMPGTD VPERMQ VPSLLD VPSRLD VPSRAD VPMOVZXWD " + "VFMADD213PS VFMADD231PS VFMSUB213PS " + "VCVTPH2PS " + "VADDPD VSUBPD VMULPD VMOVUPD VBROADCASTSD VCVTPS2PD VCVTPD2PSY"),
	// AVX512F and DQ, and what they include.
	"avx512": strings.Fields("VADDPS VADDSS VSUBPS VMULPS VDIVPS VMAXPS VMINPS VANDPS VORPS VXORPS VBLENDMPS VBROADCASTSS VCMPPS VCVTPS2DQ VEXTRACTF128 VEXTRACTF64X4 " +
		"VRNDSCALEPS VSCALEFPS.Z VPSRLD VPMOVDW VFMADD213PS VFMADD231PS VFMSUB213PS VMOVHLPS VMOVSHDUP VMOVSS VMOVUPS VMOVUPS.Z VPADDD VPANDD VPBROADCASTD VPSLLD VPSRAD VPSUBD VADDPD VSUBPD VMULPD VMOVUPD VBROADCASTSD VCVTPS2PD VCVTPD2PS VZEROUPPER KANDW KMOVW KORW KXORW"),
	// AVX512_BF16 comes as bytes.
	"avx512bf16": strings.Fields("VADDPS VBROADCASTSS VMOVUPS VZEROUPPER VPANDD VPBROADCASTD VPCMPUD VPMOVZXWD VPORD VPSLLD BYTE VXORPS VMULPS VSUBPS VMAXPS VCMPPS VMOVSS VMOVHLPS VMOVSHDUP VADDSS VEXTRACTF128 VEXTRACTF64X4 VFMADD213PS VMOVUPS.Z VRNDSCALEPS VSCALEFPS.Z KMOVW VCVTPH2PS VUNPCKLPS VUNPCKHPS VSHUFPS VSHUFF32X4"),
}

var (
	wideRegister = regexp.MustCompile(`\b(Z[0-9]+|K[0-7]|[XY](1[6-9]|2[0-9]|3[01]))\b`)
	inBytes      = regexp.MustCompile(`^BYTE \$0x62; BYTE \$0x[0-9a-f]2; BYTE \$0x[0-9a-f](?:[6e]; BYTE \$0x4[08]; BYTE \$0x52|[7f]; BYTE \$0x4[08]; BYTE \$0x72|e; BYTE \$0x48; BYTE \$0x72); BYTE \$0x[cdef][0-9a-f] // (VDPBF16PS|VCVTNE2?PS2BF16) `)
)

// TestInstructionsStayInTheirTier: no kernel uses an instruction, or a register, that its guard does not ask for.
func TestInstructionsStayInTheirTier(t *testing.T) {
	files, err := filepath.Glob("*_amd64.s")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		parts := strings.Split(strings.TrimSuffix(name, "_amd64.s"), "_")
		tier := parts[len(parts)-1]
		if instructions[tier] == nil {
			t.Fatalf("%s: no tier %q", name, tier)
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range strayInstructions(tier, string(src)) {
			t.Errorf("%s: %s", name, p)
		}
	}
}

// strayInstructions lists the lines of a source that do not belong into a tier.
func strayInstructions(tier, src string) (stray []string) {
	for line := range strings.SplitSeq(src, "\n") {
		code, ok := strings.CutPrefix(line, "\t")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(code, " ")
		switch {
		case !slices.Contains(instructions["scalar"], name) && !slices.Contains(instructions[tier], name):
			stray = append(stray, "the guard does not ask for "+code)
		case tier == "avx2" && wideRegister.MatchString(code):
			stray = append(stray, "a register of AVX-512 in "+code)
		case name == "BYTE" && !inBytes.MatchString(code):
			stray = append(stray, "bytes that are neither a dot product of bf16 nor a rounding to it: "+code)
		}
	}
	return stray
}

// TestStrayInstructionsAreSeen is the control.
func TestStrayInstructionsAreSeen(t *testing.T) {
	for tier, src := range map[string]string{
		"avx2":       "\tVADDPS Z0, Z1, Z2\n\tVPADDD Y16, Y1, Y2\n\tVPBROADCASTD AX, Y1\n",
		"avx512":     "\tVFMADD231PS Z0, Z1, Z2\n\tVPMULLQ Z0, Z1, Z2\n\tBYTE $0x62\n\tVPDPBUSD Z0, Z1, Z2\n",
		"avx512bf16": "\tBYTE $0x62; BYTE $0xf2; BYTE $0x7e; BYTE $0x48; BYTE $0x53; BYTE $0xc1 // VDPBF16PS Z1, Z0, Z0\n\tBYTE $0x90\n\tVCVTNE2PS2BF16 Z0, Z1, Z2\n",
	} {
		if got := strayInstructions(tier, src); len(got) != 3 {
			t.Errorf("%s: %d of 3 are seen: %v", tier, len(got), got)
		}
	}
}

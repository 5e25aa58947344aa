package kernel

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// scalarArm are the instructions of arm64 that kernels use by name: all of ARMv8.0.
var scalarArm = strings.Fields("MOVD MOVW MOVWU MOVBU ADD SUBS LSL LSR ANDS ORR CMP CBZ B BEQ BGT RET")

// armForm is an instruction: the bits that are set under a mask, and how it is written for the registers d, n and m and a number. Encodings are those
// of the Arm Architecture Reference Manual (C7.2), of ARMv8.0 with its vectors of fp32 numbers, which every processor of arm64 has.
type armForm struct {
	mask, value uint32
	text        string
	number      func(code uint32) int
}

var armForms = func() (forms []armForm) {
	for text, value := range map[string]uint32{
		"fadd": 0x4e20d400, "fsub": 0x4ea0d400, "fmul": 0x6e20dc00, "fdiv": 0x6e20fc00, "fmla": 0x4e20cc00, "fmax": 0x4e20f400, "fmin": 0x4ea0f400, "fcmeq": 0x4e20e400,
		"fcmge": 0x6e20e400, "fcmgt": 0x6ea0e400, "cmgt": 0x4ea03400, "add": 0x4ea08400, "sub": 0x6ea08400, "uzp1": 0x4e801800, "uzp2": 0x4e805800,
		"fmls": 0x4ea0cc00, "trn1": 0x4e802800, "trn2": 0x4e806800,
	} {
		forms = append(forms, armForm{0xffe0fc00, value, text + " v%[1]d.4s, v%[2]d.4s, v%[3]d.4s", nil})
	}
	for text, value := range map[string]uint32{"and": 0x4e201c00, "orr": 0x4ea01c00, "bit": 0x6ea01c00, "bif": 0x6ee01c00} {
		forms = append(forms, armForm{0xffe0fc00, value, text + " v%[1]d.16b, v%[2]d.16b, v%[3]d.16b", nil})
	}
	for text, value := range map[string]uint32{"fadd": 0x4e60d400, "fsub": 0x4ee0d400, "fmul": 0x6e60dc00, "trn1": 0x4ec02800, "trn2": 0x4ec06800} {
		forms = append(forms, armForm{0xffe0fc00, value, text + " v%[1]d.2d, v%[2]d.2d, v%[3]d.2d", nil})
	}
	for text, value := range map[string]uint32{"zip1": 0x4e403800, "zip2": 0x4e407800} {
		forms = append(forms, armForm{0xffe0fc00, value, text + " v%[1]d.8h, v%[2]d.8h, v%[3]d.8h", nil})
	}
	for text, value := range map[string]uint32{"ldr q": 0x3ce06800, "str q": 0x3ca06800, "ldr d": 0xfc606800, "str d": 0xfc206800} {
		forms = append(forms, armForm{0xffe0fc00, value, text + "%[1]d, [x%[2]d, x%[3]d]", nil})
	}
	right := func(code uint32) int { return 64 - int(code>>16&0x7f) }
	return append(forms,
		armForm{0xffc0f400, 0x4f801000, "fmla v%[1]d.4s, v%[2]d.4s, v%[3]d.s[%[4]d]", func(code uint32) int { return int(code>>11&1)<<1 | int(code>>21&1) }},
		armForm{0xffe0fc00, 0x4f205400, "shl v%[1]d.4s, v%[2]d.4s, #%[4]d", func(code uint32) int { return int(code>>16&0x7f) - 32 }},
		armForm{0xffe0fc00, 0x6f200400, "ushr v%[1]d.4s, v%[2]d.4s, #%[4]d", right},
		armForm{0xffe0fc00, 0x4f200400, "sshr v%[1]d.4s, v%[2]d.4s, #%[4]d", right},
		armForm{0xfffffc00, 0x4e21a800, "fcvtns v%[1]d.4s, v%[2]d.4s", nil},
		armForm{0xfffffc00, 0x6ea0f800, "fneg v%[1]d.4s, v%[2]d.4s", nil},
		armForm{0xffffffe0, 0x6f00e400, "movi v%[1]d.2d, #0x0", nil},
		armForm{0xfffffc00, 0x4e040c00, "dup v%[1]d.4s, w%[2]d", nil},
		armForm{0xfffffc00, 0x4ddfc800, "ld1r {v%[1]d.4s}, [x%[2]d], #4", nil},
		armForm{0xfffffc00, 0x4ddfcc00, "ld1r {v%[1]d.2d}, [x%[2]d], #8", nil},
		armForm{0xfffffc00, 0x0e217800, "fcvtl v%[1]d.4s, v%[2]d.4h", nil},
		armForm{0xfffffc00, 0x0e617800, "fcvtl v%[1]d.2d, v%[2]d.2s", nil},
		armForm{0xfffffc00, 0x0e616800, "fcvtn v%[1]d.2s, v%[2]d.2d", nil},
		armForm{0xfffffc00, 0x2e613800, "shll v%[1]d.4s, v%[2]d.4h, #16", nil},
		armForm{0xfffffc00, 0x3cc10400, "ldr q%[1]d, [x%[2]d], #16", nil},
		armForm{0xfffffc00, 0x3c810400, "str q%[1]d, [x%[2]d], #16", nil},
		armForm{0xffc00000, 0x3dc00000, "ldr q%[1]d, [x%[2]d, #%[4]d]", func(code uint32) int { return int(code>>10&0xfff) * 16 }},
		armForm{0xffc00000, 0x3d800000, "str q%[1]d, [x%[2]d, #%[4]d]", func(code uint32) int { return int(code>>10&0xfff) * 16 }},
	)
}()

// disassembleArm writes a word as GNU's disassembler does; "" for one that kernels may not use.
func disassembleArm(code uint32) string {
	d, n, m := int(code&31), int(code>>5&31), int(code>>16&31)
	for _, f := range armForms {
		if code&f.mask != f.value {
			continue
		}
		number := 0
		if f.number != nil {
			number = f.number(code)
		}
		text := fmt.Sprintf(f.text+"%.0[3]s%.0[4]s", d, n, m, number)
		text, _, _ = strings.Cut(text, "%!") // operands that the form has not
		if strings.HasPrefix(text, "orr") && n == m {
			return fmt.Sprintf("mov v%d.16b, v%d.16b", d, n)
		}
		return strings.Replace(text, ", #0]", "]", 1)
	}
	return ""
}

var armWord = regexp.MustCompile(`^WORD \$0x([0-9a-f]{8}) // (.*)$`)

// strayArm lists the lines of a source that are no instructions of ARMv8.0, or say of a word what it is not.
func strayArm(src string) (stray []string) {
	for line := range strings.SplitSeq(src, "\n") {
		code, ok := strings.CutPrefix(line, "\t")
		if !ok {
			continue
		}
		if word := armWord.FindStringSubmatch(code); word != nil {
			bits, _ := strconv.ParseUint(word[1], 16, 32)
			if is := disassembleArm(uint32(bits)); is != word[2] {
				stray = append(stray, fmt.Sprintf("%s is %q", code, is))
			}
		} else if name, _, _ := strings.Cut(code, " "); !slices.Contains(scalarArm, name) {
			stray = append(stray, code)
		}
	}
	return stray
}

// armFiles are the sources for arm64.
func armFiles(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*_arm64.s")
	if err != nil || len(names) < 3 {
		t.Fatalf("%v, %v", names, err)
	}
	files := make(map[string]string)
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(src)
	}
	return files
}

// TestArmWords: every word is the instruction that its comment says, and one that all processors of arm64 have.
func TestArmWords(t *testing.T) {
	for name, src := range armFiles(t) {
		for _, line := range strayArm(src) {
			t.Errorf("%s: %s", name, line)
		}
	}
	// a wrong comment, BFDOT, FMLA of fp16, an atomic of ARMv8.1
	control := "\tWORD $0x4e20d400 // fadd v0.4s, v0.4s, v1.4s\n\tWORD $0x6e42fc20 // bfdot v0.4s, v1.8h, v2.8h\n\tWORD $0x4e420c20 // fmla v0.8h, v1.8h, v2.8h\n\tLDADDD R0, (R1), R2\n"
	if got := strayArm(control); len(got) != 4 {
		t.Errorf("%d of 4 are seen: %v", len(got), got)
	}
}

// TestArmWordsBesideBinutils compares with GNU's disassembler, where there is one for arm64.
func TestArmWordsBesideBinutils(t *testing.T) {
	tool, err := exec.LookPath("aarch64-linux-gnu-objdump")
	if err != nil {
		t.Skip("there is no aarch64-linux-gnu-objdump")
	}
	var code []byte
	var want []string
	for _, src := range armFiles(t) {
		for line := range strings.SplitSeq(src, "\n") {
			if word := armWord.FindStringSubmatch(strings.TrimPrefix(line, "\t")); word != nil {
				bits, _ := strconv.ParseUint(word[1], 16, 32)
				code = binary.LittleEndian.AppendUint32(code, uint32(bits))
				want = append(want, word[2])
			}
		}
	}
	file := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(file, code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-D", "-b", "binary", "-m", "aarch64", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.SplitSeq(string(out), "\n") {
		if fields := strings.Split(line, "\t"); len(fields) > 2 {
			text, _, _ := strings.Cut(strings.Join(fields[2:], " "), " //")
			got = append(got, strings.TrimSpace(text))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d instructions, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("word %08x is %q, not %q", binary.LittleEndian.Uint32(code[4*i:]), got[i], want[i])
		}
	}
	t.Logf("%d words", len(want))
}

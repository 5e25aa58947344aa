package pickle

import (
	"encoding/binary"
	"strings"
	"testing"
)

// short is SHORT_BINUNICODE of protocol 4.
func short(s string) string { return "\x8c" + string(rune(len(s))) + s }

// uni is BINUNICODE.
func uni(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// storage leaves a storage on the stack.
const storage = "(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"

// malicious has the known ways to make Python's unpickler run something, as scanners of model files
// list them, and ways to break the bounds of a reader. Each is refused with words that name what was refused.
var malicious = map[string]struct{ pickle, want string }{
	"os.system":                 {"\x80\x02cos\nsystem\n" + uni("id") + "\x85R.", `the global "os.system" is refused`},
	"posix.system":              {"\x80\x02cposix\nsystem\n" + uni("id") + "\x85R.", `the global "posix.system" is refused`},
	"nt.system":                 {"\x80\x02cnt\nsystem\n" + uni("id") + "\x85R.", `the global "nt.system"`},
	"exec":                      {"\x80\x02cbuiltins\nexec\n" + uni("import os") + "\x85R.", `the global "builtins.exec" is refused`},
	"eval":                      {"\x80\x02c__builtin__\neval\n" + uni("1") + "\x85R.", `the global "__builtin__.eval" is refused`},
	"subprocess":                {"\x80\x02csubprocess\nPopen\n" + uni("id") + "\x85R.", `the global "subprocess.Popen"`},
	"runpy":                     {"\x80\x02crunpy\n_run_code\n" + uni("x") + "\x85R.", `the global "runpy._run_code"`},
	"getattr chain":             {"\x80\x02cbuiltins\ngetattr\n(cbuiltins\n__import__\n" + uni("os") + "\x85R" + uni("system") + "tR.", `the global "builtins.getattr" is refused`},
	"operator":                  {"\x80\x02coperator\nattrgetter\n" + uni("system") + "\x85R.", `the global "operator.attrgetter"`},
	"torch.load":                {"\x80\x02ctorch\nload\n" + uni("x") + "\x85R.", `the global "torch.load" is refused`},
	"torch.hub":                 {"\x80\x02ctorch.hub\nload\n" + uni("x") + "\x85R.", `the global "torch.hub.load"`},
	"numpy":                     {"\x80\x02cnumpy.core.multiarray\n_reconstruct\n.", `the global "numpy.core.multiarray._reconstruct"`},
	"protocol 0":                {"cos\nsystem\n(S'id'\ntR.", `the global "os.system" is refused`},
	"hidden behind data":        {"\x80\x02}" + uni("weight") + "cos\nsystem\n" + uni("id") + "\x85Rs.", `the global "os.system" is refused`},
	"in a storage's place":      {"\x80\x02(" + uni("storage") + "cos\nsystem\n", `the global "os.system" is refused`},
	"name with a dot":           {"\x80\x02ccollections\nOrderedDict.fromkeys\n.", `the global "collections.OrderedDict.fromkeys" is refused`},
	"module and name regrouped": {"\x80\x02ctorch._utils._rebuild_tensor_v2\n__globals__\n.", `is refused`},
	"torch._utils itself":       {"\x80\x02ctorch\n_utils\n.", `the global "torch._utils" is refused`},
	"name with a null":          {"\x80\x02ccollections\nOrderedDict\x00\n.", `is refused`},
	"endless name":              {"\x80\x02c" + strings.Repeat("a", 10_000), `a name of more than 256 bytes is refused`},
	"nested reduce":             {"\x80\x02ccollections\nOrderedDict\n(ctorch._utils\n_rebuild_tensor_v2\n)RtR.", `_rebuild_tensor_v2: 0 arguments`},
	"call of a result":          {"\x80\x02ccollections\nOrderedDict\n)R)R.", `a call of a dict is refused`},
	"call of a storage type":    {"\x80\x02ctorch\nFloatStorage\nK\x05\x85R.", `a call of the global torch.FloatStorage is refused`},
	"call of a text":            {"\x80\x02" + uni("os.system") + uni("id") + "\x85R.", `a call of a text is refused`},
	"call with a list":          {"\x80\x02ccollections\nOrderedDict\n]R.", `a call with a list instead of a tuple is refused`},
	"OrderedDict of items":      {"\x80\x02ccollections\nOrderedDict\n]\x85R.", `a call of collections.OrderedDict with 1 arguments is refused`},
	"INST":                      {"\x80\x02(" + uni("id") + "ios\nsystem\n.", `instruction INST is refused`},
	"OBJ":                       {"\x80\x02(cos\nsystem\n" + uni("id") + "o.", `the global "os.system"`},
	"OBJ of a known global":     {"\x80\x02(ccollections\nOrderedDict\no.", `instruction OBJ is refused`},
	"NEWOBJ":                    {"\x80\x02ccollections\nOrderedDict\n)\x81.", `instruction NEWOBJ is refused`},
	"NEWOBJ_EX":                 {"\x80\x02ccollections\nOrderedDict\n)}\x92.", `instruction NEWOBJ_EX is refused`},
	"STACK_GLOBAL":              {"\x80\x02" + uni("os") + uni("system") + "\x93" + uni("id") + "\x85R.", `instruction STACK_GLOBAL is refused`},
	"STACK_GLOBAL, protocol 4":  {"\x80\x04" + short("os") + short("system") + "\x93.", `protocol 4 is refused`},
	"STACK_GLOBAL of the memo":  {"\x80\x02" + uni("os") + "q\x00" + uni("system") + "q\x01h\x00h\x01\x93.", `instruction STACK_GLOBAL is refused`},
	"protocol changed later":    {"\x80\x02}\x80\x04.", `instruction PROTO is refused but at the start`},
	"EXT1":                      {"\x80\x02\x82\x01.", `instruction EXT1 is refused`},
	"EXT2":                      {"\x80\x02\x83\x01\x00.", `instruction EXT2 is refused`},
	"EXT4":                      {"\x80\x02\x84\x01\x00\x00\x00.", `instruction EXT4 is refused`},
	"PERSID":                    {"\x80\x02Pstorage\n.", `instruction PERSID is refused`},
	"persistent id, a text":     {"\x80\x02" + uni("storage") + "Q.", `a text as a persistent id is refused`},
	"persistent id, a module":   {"\x80\x02(" + uni("module") + "ctorch\nFloatStorage\n" + uni("0") + uni("cpu") + "K\x04tQ.", `a persistent id of kind "module" is refused`},
	"persistent id, a type":     {"\x80\x02(" + uni("storage") + "ccollections\nOrderedDict\n" + uni("0") + uni("cpu") + "K\x04tQ.", `the global collections.OrderedDict as a storage's type is refused`},
	"persistent id, negative":   {"\x80\x02(" + uni("storage") + "ctorch\nFloatStorage\n" + uni("0") + uni("cpu") + "J\xff\xff\xff\xfftQ.", `number of elements`},
	"BUILD with __setstate__":   {"\x80\x02ccollections\nOrderedDict\n)R}" + uni("__setstate__") + uni("x") + "sb.", `BUILD of the attribute "__setstate__" is refused`},
	"BUILD with __class__":      {"\x80\x02ccollections\nOrderedDict\n)R}" + uni("__class__") + "Nsb.", `BUILD of the attribute "__class__" is refused`},
	"BUILD of a global":         {"\x80\x02ccollections\nOrderedDict\n}b.", `BUILD on the global collections.OrderedDict is refused`},
	"BUILD of a tensor":         {"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K\x00K\x04\x85K\x01\x85\x89}tR}b.", `BUILD on a tensor is refused`},
	"BUILD with a tuple":        {"\x80\x02ccollections\nOrderedDict\n)R}}\x86b.", `BUILD with a tuple is refused`},
	"backward hooks":            {"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K\x00K\x04\x85K\x01\x85\x89}" + uni("h") + "K\x01stR.", `backward hooks are refused`},
	"tensor of no storage":      {"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\x00K\x00))\x89}tR.", `a number is not a storage`},
	"parameter of no tensor":    {"\x80\x02ctorch._utils\n_rebuild_parameter\n}\x88}\x87R.", `_rebuild_parameter: a dict is not a tensor`},
	"negative offset":           {"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "J\xff\xff\xff\xffK\x04\x85K\x01\x85\x89}tR.", `the offset is not a whole number`},
	"negative stride":           {"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K\x00K\x04\x85J\xff\xff\xff\xff\x85\x89}tR.", `stride: dimension 0`},
	"negative shape":            {"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K\x00J\xff\xff\xff\xff\x85K\x01\x85\x89}tR.", `shape: dimension 0`},
	"strides missing":           {"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K\x00K\x04\x85)\x89}tR.", `1 dimensions has 0 strides`},
	"unhashable key":            {"\x80\x02}]K\x01s.", `a list as a key of a dict is refused`},
	"two readings of a key":     {"\x80\x02}(" + uni("a") + "K\x01" + uni("a") + "K\x02u.", `the key "a" stands twice`},
	"huge number":               {"\x80\x02\x8a\xff" + strings.Repeat("\x01", 255) + ".", `a whole number of 2040 bits is refused`},
	"POP":                       {"\x80\x02K\x010.", `instruction POP is refused`},
	"DUP":                       {"\x80\x02}2.", `instruction DUP is refused`},
	"bytes":                     {"\x80\x02C\x01a.", `instruction SHORT_BINBYTES is refused`},
	"no instruction":            {"\x80\x02\xff.", `0xff is no instruction`},
	"text beyond the end":       {"\x80\x02X\xff\xff\xff\xff", `ends too early`},
	"not UTF-8":                 {"\x80\x02X\x01\x00\x00\x00\xff.", `a text is not UTF-8`},
	"empty":                     {"", `ends too early`},
	"no value":                  {"\x80\x02.", `the stack is empty`},
	"values left":               {"\x80\x02K\x01K\x02.", `values are left`},
	"mark left":                 {"\x80\x02(K\x01.", `values are left on the stack`},
	"below the mark":            {"\x80\x02}(s.", `the stack is empty`},
	"no mark":                   {"\x80\x02}u.", `no mark`},
	"nothing remembered":        {"\x80\x02h\x05.", `nothing is remembered as 5`},
	"append to a dict":          {"\x80\x02}K\x01a.", `cannot append to a dict`},
	"odd number of items":       {"\x80\x02}(K\x01u.", `from 1 values`},
	"deep marks":                {"\x80\x02" + strings.Repeat("(", 1<<17), `open marks are not accepted`},
	"a million dicts":           {"\x80\x02" + strings.Repeat("}", MaxValues+1), `values are not accepted`},
	"a global alone":            {"\x80\x02ctorch\nFloatStorage\n.", `the pickle is the global torch.FloatStorage`},
}

func TestMalicious(t *testing.T) {
	for name, c := range malicious {
		t.Run(name, func(t *testing.T) {
			v, n, err := Decode([]byte(c.pickle))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, %d bytes, error %v; want one with %q", v, n, err, c.want)
			}
		})
	}
}

// TestEveryInstruction feeds each byte to the machine with values on the stack: what is not known is refused by
// name, and nothing panics.
func TestEveryInstruction(t *testing.T) {
	known := "(.JKMNQRX]abc}ehj)qrstuG\x80\x85\x86\x87\x88\x89\x8a"
	for op := range 256 {
		_, _, err := Decode([]byte("\x80\x02}}}" + string([]byte{byte(op)}) + "\x00\x00\x00\x00\x00\x00\x00\x00."))
		if strings.IndexByte(known, byte(op)) >= 0 {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "refused") && !strings.Contains(err.Error(), "no instruction") {
			t.Errorf("0x%02x: %v", op, err)
		}
	}
	if len(known)+len(refused) != 68 {
		t.Errorf("%d known and %d refused instructions; Python has 68", len(known), len(refused))
	}
}

// TestCycle makes a dict that holds itself: it is read, and nothing recurses into it.
func TestCycle(t *testing.T) {
	v, _, err := Decode([]byte("\x80\x02}q\x00" + uni("self") + "h\x00s."))
	if err != nil {
		t.Fatal(err)
	}
	d := v.(*Dict)
	if inner, _ := d.Get("self"); inner != any(d) {
		t.Fatalf("got %v", inner)
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range malicious {
		if len(c.pickle) < 1000 {
			f.Add([]byte(c.pickle))
		}
	}
	f.Add([]byte(state))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, n, err := Decode(in)
		if err == nil && (n < 2 || n > len(in)) {
			t.Fatalf("%v from %d bytes of %d", v, n, len(in))
		}
		if _, ok := v.(global); ok {
			t.Fatalf("a global came out: %v", v)
		}
	})
}

package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// step carries out one instruction other than STOP; at is its byte.
func (m *machine) step(op byte, at int) error {
	if op == opProto {
		return m.proto(at)
	}
	if done, err := m.scalar(op); done {
		return err
	}
	if done, err := m.container(op); done {
		return err
	}
	switch op {
	case opBinPut, opLongBinPut:
		return m.put(op)
	case opBinGet, opLongBinGet:
		return m.get(op)
	case opGlobal:
		return m.global()
	case opBinPersID:
		return m.persistent()
	case opReduce:
		return m.reduce()
	case opBuild:
		return m.build()
	}
	return refuse(op)
}

// proto reads the protocol, which is the first instruction.
func (m *machine) proto(at int) error {
	v, err := m.take(1)
	if err != nil {
		return err
	}
	if at != 0 {
		return errors.New("instruction PROTO is refused but at the start")
	}
	if v[0] != protocol {
		return fmt.Errorf("protocol %d is refused: torch.save writes %d", v[0], protocol)
	}
	return nil
}

// scalar carries out instructions that put a number, text or constant on the stack.
func (m *machine) scalar(op byte) (done bool, err error) {
	var v any
	switch op {
	case opNone:
	case opNewTrue, opNewFalse:
		v = op == opNewTrue
	case opBinInt1:
		v, err = m.number(1)
	case opBinInt2:
		v, err = m.number(2)
	case opBinInt:
		v, err = m.long(4)
	case opLong1:
		n, e := m.number(1)
		if err = e; err == nil {
			v, err = m.long(int(n))
		}
	case opBinFloat:
		b, e := m.take(8)
		if err = e; err == nil {
			v = math.Float64frombits(binary.BigEndian.Uint64(b))
		}
	case opBinUnicode:
		n, e := m.number(4)
		if err = e; err == nil {
			v, err = m.text(uint32(n))
		}
	default:
		return false, nil
	}
	if err != nil {
		return true, err
	}
	return true, m.push(v)
}

// number reads an unsigned number of n <= 4 bytes.
func (m *machine) number(n int) (int64, error) {
	b, err := m.take(n)
	if err != nil {
		return 0, err
	}
	var word [8]byte
	copy(word[:], b)
	return int64(binary.LittleEndian.Uint64(word[:])), nil
}

// container carries out instructions that make or fill tuples, lists and dicts.
func (m *machine) container(op byte) (done bool, err error) {
	switch op {
	case opMark:
		if len(m.marks) == maxDepth {
			return true, fmt.Errorf("more than %d open marks are not accepted", maxDepth)
		}
		m.marks = append(m.marks, len(m.stack))
		return true, nil
	case opEmptyTuple:
		return true, m.push(Tuple{})
	case opEmptyList:
		return true, m.push(&List{})
	case opEmptyDict:
		return true, m.push(&Dict{})
	case opTuple1, opTuple2, opTuple3:
		return true, m.tuple(int(op - opTuple1 + 1))
	case opTuple:
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		return true, m.push(Tuple(items))
	case opAppend, opAppends, opSetItem, opSetItems:
		return true, m.fill(op)
	}
	return false, nil
}

// tuple makes a tuple of the n topmost values.
func (m *machine) tuple(n int) error {
	if len(m.stack)-m.floor() < n {
		return errors.New("the stack is empty")
	}
	at := len(m.stack) - n
	items := append(Tuple(nil), m.stack[at:]...)
	m.stack = m.stack[:at]
	return m.push(items)
}

// fill adds one or all values above the mark to the list or dict below them.
func (m *machine) fill(op byte) (err error) {
	var items []any
	switch op {
	case opAppends, opSetItems:
		items, err = m.popMark()
	default:
		n := 1
		if op == opSetItem {
			n = 2
		}
		if err = m.tuple(n); err == nil {
			var t any
			if t, err = m.pop(); err == nil {
				items = t.(Tuple)
			}
		}
	}
	if err != nil {
		return err
	}
	target, err := m.top()
	if err != nil {
		return err
	}
	if op == opAppend || op == opAppends {
		list, ok := target.(*List)
		if !ok {
			return fmt.Errorf("cannot append to %s", describe(target))
		}
		list.Items = append(list.Items, items...)
		return nil
	}
	dict, ok := target.(*Dict)
	if !ok || len(items)%2 != 0 {
		return fmt.Errorf("cannot set items of %s from %d values", describe(target), len(items))
	}
	for i := 0; i < len(items); i += 2 {
		if err := dict.set(items[i], items[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// put remembers the topmost value.
func (m *machine) put(op byte) error {
	i, err := m.index(op == opLongBinPut)
	if err != nil {
		return err
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	m.memo[i] = v
	return nil
}

// get puts a remembered value on the stack.
func (m *machine) get(op byte) error {
	i, err := m.index(op == opLongBinGet)
	if err != nil {
		return err
	}
	v, ok := m.memo[i]
	if !ok {
		return fmt.Errorf("nothing is remembered as %d", i)
	}
	return m.push(v)
}

func (m *machine) index(long bool) (uint32, error) {
	n := 1
	if long {
		n = 4
	}
	i, err := m.number(n)
	return uint32(i), err
}

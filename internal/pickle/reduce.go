package pickle

import (
	"errors"
	"fmt"
)

// global is a name of the few that are known, such as "torch.FloatStorage".
type global string

// Globals that may be called.
const (
	orderedDict      global = "collections.OrderedDict"
	rebuildTensor    global = "torch._utils._rebuild_tensor_v2"
	rebuildParameter global = "torch._utils._rebuild_parameter"
)

// storages has the element types of torch's storages.
var storages = map[global]string{
	"torch.FloatStorage": "F32", "torch.HalfStorage": "F16", "torch.BFloat16Storage": "BF16", "torch.DoubleStorage": "F64",
	"torch.LongStorage": "I64", "torch.IntStorage": "I32", "torch.ShortStorage": "I16", "torch.CharStorage": "I8",
	"torch.ByteStorage": "U8", "torch.BoolStorage": "BOOL",
}

// global reads a name. One that is not known is refused before anything is made of it.
func (m *machine) global() error {
	module, err := m.line()
	if err != nil {
		return err
	}
	name, err := m.line()
	if err != nil {
		return err
	}
	g := global(module + "." + name)
	switch _, storage := storages[g]; {
	case g == orderedDict, g == rebuildTensor, g == rebuildParameter, storage:
		return m.push(g)
	}
	return fmt.Errorf("the global %q is refused: weights do not need it", string(g))
}

// persistent reads ("storage", type, key, location, elements), with a view of None in older files.
func (m *machine) persistent() error {
	v, err := m.pop()
	if err != nil {
		return err
	}
	t, ok := v.(Tuple)
	if !ok || len(t) != 5 && (len(t) != 6 || t[5] != nil) {
		return fmt.Errorf("%s as a persistent id is refused; a storage's is known", describe(v))
	}
	if kind, ok := t[0].(string); !ok || kind != "storage" {
		return fmt.Errorf("a persistent id of kind %.60q is refused; a storage's is known", fmt.Sprint(t[0]))
	}
	g, _ := t[1].(global)
	s := Storage{DType: storages[g]}
	if s.DType == "" {
		return fmt.Errorf("%s as a storage's type is refused", describe(t[1]))
	}
	var key, location, count bool
	s.Key, key = t[2].(string)
	_, location = t[3].(string)
	s.Elements, count = t[4].(int64)
	if !key || !location || !count || s.Elements < 0 {
		return errors.New("a storage's key, location and number of elements are not a text, a text and a number")
	}
	return m.push(s)
}

// reduce calls a global with a tuple of arguments.
func (m *machine) reduce() error {
	args, err := m.pop()
	if err != nil {
		return err
	}
	fn, err := m.pop()
	if err != nil {
		return err
	}
	t, ok := args.(Tuple)
	if !ok {
		return fmt.Errorf("a call with %s instead of a tuple is refused", describe(args))
	}
	switch fn {
	case orderedDict:
		if len(t) != 0 {
			return fmt.Errorf("a call of %s with %d arguments is refused", orderedDict, len(t))
		}
		return m.push(&Dict{})
	case rebuildTensor:
		tensor, err := newTensor(t)
		if err != nil {
			return fmt.Errorf("%s: %w", rebuildTensor, err)
		}
		return m.push(tensor)
	case rebuildParameter:
		tensor, err := parameter(t)
		if err != nil {
			return fmt.Errorf("%s: %w", rebuildParameter, err)
		}
		return m.push(tensor)
	}
	return fmt.Errorf("a call of %s is refused", describe(fn))
}

// newTensor reads (storage, offset, size, stride, requires_grad, backward_hooks, [metadata]). Gradients and hooks do not matter.
func newTensor(t Tuple) (*Tensor, error) {
	if len(t) != 6 && len(t) != 7 {
		return nil, fmt.Errorf("%d arguments are not the 6 or 7 that it has", len(t))
	}
	s, ok := t[0].(Storage)
	if !ok {
		return nil, fmt.Errorf("%s is not a storage", describe(t[0]))
	}
	out := &Tensor{Storage: s}
	if out.Offset, ok = t[1].(int64); !ok || out.Offset < 0 {
		return nil, errors.New("the offset is not a whole number of at least 0")
	}
	var err error
	if out.Shape, err = naturals(t[2]); err != nil {
		return nil, fmt.Errorf("shape: %w", err)
	}
	if out.Stride, err = naturals(t[3]); err != nil {
		return nil, fmt.Errorf("stride: %w", err)
	}
	if len(out.Shape) != len(out.Stride) {
		return nil, fmt.Errorf("a shape of %d dimensions has %d strides", len(out.Shape), len(out.Stride))
	}
	if hooks, ok := t[5].(*Dict); !ok || len(hooks.Keys) != 0 {
		return nil, errors.New("backward hooks are refused")
	}
	return out, nil
}

// naturals reads a tuple of whole numbers of at least 0.
func naturals(v any) ([]int64, error) {
	t, ok := v.(Tuple)
	if !ok {
		return nil, fmt.Errorf("%s is not a tuple", describe(v))
	}
	out := make([]int64, len(t))
	for i, x := range t {
		if out[i], ok = x.(int64); !ok || out[i] < 0 {
			return nil, fmt.Errorf("dimension %d is not a whole number of at least 0", i)
		}
	}
	return out, nil
}

// parameter reads (tensor, requires_grad, backward_hooks), which is the tensor.
func parameter(t Tuple) (*Tensor, error) {
	if len(t) != 3 {
		return nil, fmt.Errorf("%d arguments are not the 3 that it has", len(t))
	}
	tensor, ok := t[0].(*Tensor)
	if !ok {
		return nil, fmt.Errorf("%s is not a tensor", describe(t[0]))
	}
	if hooks, ok := t[2].(*Dict); !ok || len(hooks.Keys) != 0 {
		return nil, errors.New("backward hooks are refused")
	}
	return tensor, nil
}

// build is BUILD on an OrderedDict: torch keeps the versions of layers (_metadata) beside a state dict's items. They are left out.
func (m *machine) build() error {
	state, err := m.pop()
	if err != nil {
		return err
	}
	target, err := m.top()
	if err != nil {
		return err
	}
	d, ok := target.(*Dict)
	if !ok {
		return fmt.Errorf("instruction BUILD on %s is refused", describe(target))
	}
	attributes, ok := state.(*Dict)
	if !ok || attributes == d {
		return fmt.Errorf("instruction BUILD with %s is refused", describe(state))
	}
	for _, key := range attributes.Keys {
		if key != "_metadata" {
			return fmt.Errorf("instruction BUILD of the attribute %.60q is refused", fmt.Sprint(key))
		}
	}
	return nil
}

package pickle

import "fmt"

// Values on the stack are nil, bool, int64, float64, string, [Tuple], *[List],
// *[Dict], *[Tensor], [Storage], and, inside the interpreter only, global.

// Tuple is a tuple. It must not be changed.
type Tuple []any

// List is a list; a pickle may hold it in several places and add to it later.
type List struct{ Items []any }

// Dict is a dict or OrderedDict with texts or whole numbers as keys, in the order of insertion.
type Dict struct {
	Keys   []any // string or int64
	values map[any]any
}

// Get gives the value of a key.
func (d *Dict) Get(key any) (any, bool) {
	v, ok := d.values[key]
	return v, ok
}

// set adds a key. A key that stands there already has two readings, which is an error.
func (d *Dict) set(key, value any) error {
	switch key.(type) {
	case string, int64:
	default:
		return fmt.Errorf("%s as a key of a dict is refused; texts and whole numbers are known", describe(key))
	}
	if _, dup := d.values[key]; dup {
		return fmt.Errorf("the key %.100q stands twice in a dict", fmt.Sprint(key))
	}
	if d.values == nil {
		d.values = make(map[any]any)
	}
	d.values[key] = value
	d.Keys = append(d.Keys, key)
	return nil
}

// Storage is a block of elements that lies outside the pickle.
type Storage struct {
	Key      string
	DType    string // as safetensors names it: "F16", "BF16", ...
	Elements int64  // at least 0
}

// Tensor describes a view of a storage. Offset and strides count elements; nothing is
// checked against the storage's size.
type Tensor struct {
	Storage Storage
	Offset  int64
	Shape   []int64
	Stride  []int64
}

// describe names a value's type for messages.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64:
		return "a number"
	case float64:
		return "a float"
	case string:
		return "a text"
	case Tuple:
		return "a tuple"
	case *List:
		return "a list"
	case *Dict:
		return "a dict"
	case *Tensor:
		return "a tensor"
	case Storage:
		return "a storage"
	case global:
		return "the global " + string(v)
	}
	return fmt.Sprintf("a %T", v)
}

// Package pickle reads the pickles inside files that torch.save writes, without
// running anything. A pickle is a program for a stack machine that in Python may name and call any function; this
// interpreter knows the instructions that build numbers, texts, lists, tuples and dictionaries, and four
// names: collections.OrderedDict, torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter and torch's
// storage types. They make descriptions of tensors ([Tensor]), never objects. Every other instruction,
// global, call or persistent id is an error that names it.
//
// It reads protocol 2, which torch.save writes unless it is asked for another. Memory and time are bounded
// by [MaxSize] and [MaxValues]; it does not recurse.
package pickle

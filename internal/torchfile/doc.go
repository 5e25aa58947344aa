// Package torchfile finds the tensors in files that torch.save writes: a zip
// archive with the pickle data.pkl and each storage as data/KEY, or, before torch 1.6, a sequence of pickles followed by the
// storages. Nothing in a file is run ([pickle]); data is not copied: a tensor is a range of the file.
//
// What it gives is checked: names once, ranges inside their storage and storages inside the file, shapes
// that fit. Limits bound memory whatever the file says.
package torchfile

// Package weights opens the weights of a model: safetensors files, folders in
// the diffusers layout and single-file checkpoints in the original SDXL layout.
// Whatever the container, tensors have their canonical names, those of a
// diffusers folder with the text encoders' "text_model." prefix, and the same
// weights have the same digest.
//
// Files are untrusted input. A header is scanned by this package's own strict
// code before the safetensors library sees any of it, every offset is checked
// against the file's size, and data is mapped read-only. A file may still be
// cut or rewritten while it is mapped: readers go through Guard, which turns a
// fault in a mapping into an error that names the file, and [File.Verify]
// compares size, times and inode with those at opening.
//
// The way in is [Open]; [Bundle] gives components to an executor as a
// [program.WeightSource].
package weights

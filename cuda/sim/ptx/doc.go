// Package ptx reads PTX, NVIDIA's assembly for a virtual machine, as clang and nvcc write it: modules with variables and
// kernels, whose instructions name their registers by number. It checks the grammar and the names; what an opcode
// means, and which types it takes, is for cuda/sim/vm.
//
// The text is not trusted: sizes are bounded before anything is made of them, and no input makes Parse panic or run
// longer than in proportion to its length.
//
// Source: Parallel Thread Execution ISA, version 7.0 (NVIDIA, 2020), chapters 4 and 5.
package ptx

// Package vm runs kernels written in PTX. A kernel is compiled to instructions that work on all 32 lanes of a warp at
// once, over flat arrays of registers; a grid's blocks run on several goroutines. Memory is checked as a GPU does not
// check it, and counters say what a launch did.
//
// # What a run finds
//
// A [Fault] ends the launch and names kernel, line of the PTX text, block, thread and address: accesses outside every
// allocation, after its release, before a byte was written, not aligned to their size; shared memory that two threads
// use, one of them writing, with no barrier between; barriers that not all threads of the block reach; shuffles that
// read lanes which are elsewhere; accesses to what another stream's work writes or reads with nothing ordering the two;
// kernels that do not end. [Checks] says which are looked for.
//
// # Lanes
//
// The 32 lanes of a warp run in step. Where a branch parts them, the sides run one after the other, and they meet
// again at the branch's immediate post-dominator, as hardware does. Threads of one warp that exchange data through
// shared memory need bar.warp.sync between, as CUDA says since Volta.
//
// # Asynchronous copies
//
// What cp.async copies lands when its thread waits for the group, not earlier; until then every access to the target
// is a fault.
//
// # Arithmetic
//
// IEEE 754 roundings as PTX defines them; a NaN that an fp32 operation makes is 0x7fffffff. Approximate functions
// (ex2, lg2, sin, cos, rcp, rsqrt, tanh, div.approx) give the correctly rounded result or, very rarely, its neighbour; a
// GPU's may lie within PTX's bounds of it. mma has two models: see [MMAModel].
//
// Source: Parallel Thread Execution ISA, version 7.0 (NVIDIA, 2020).
package vm

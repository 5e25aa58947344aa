// Package cpu executes programs on the processor: it cuts instructions into
// tasks for workers, keeps computed values in one arena planned from their
// shapes, and reads weights from where they are mapped. How work is cut never
// changes a bit (docs/numerics.md).
package cpu

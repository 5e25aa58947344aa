// Package bench measures flow on this machine: first what the machine can do at most, then each class of operation
// and whole parts of a model as a share of it. It gives a [Report]; showing one is another's.
//
// All times are seconds of the clock. Rates are floating point operations (a multiply-add counts as two) or
// bytes a second. What is measured runs through the executor that renders pictures.
package bench

// Package report writes what a run or tests came to for others than the one who waits for it: one self-contained HTML page, JUnit XML, annotations
// and a summary for GitHub. It knows no scheduler: a run reaches it as events, and as the plain values of its model.
package report

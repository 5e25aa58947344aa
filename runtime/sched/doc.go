// Package sched runs a plan: one compute lane, ready steps in the order of the file, hashing, storing
// and writing beside it. What the store knows is not run; of what fails the first
// cause is named, and what does not depend on it is finished.
package sched

// Package parity measures how far each block of a model lies from what
// diffusers computes with the same weights. Its goldens are made by internal/tools/goldens.
package parity

// Package digests shows that pictures have the same bits whatever made them: it runs workflows in each class of numerics on each tier of
// kernels and with different numbers of workers, and sets the digests of latents and pixels side by side, those of other machines too.
package digests

// Package panels keeps weights in files as an executor's kernels read them: packed once, mapped afterwards, shared by processes. It
// knows neither what a panel looks like - an executor says so in the [ID] - nor where files lie, which is the caller's [Files].
//
// A file is of one weight, or of a stretch of its input channels:
//
//	header   4096 bytes: what it is, as text, and a CRC-32C of that
//	blocks   all of one length; one is what a kernel reads at a time
//	table    a CRC-32C of each block, 4 bytes, little-endian
//	footer   16 bytes: "flow end", the CRC-32C of the table, that of the header
//
// Header, length, table and footer are checked when a file is opened, each block when it is first used. What is damaged is
// as good as not there: the executor packs the weight itself, and the file is made anew.
package panels

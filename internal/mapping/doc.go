// Package mapping maps files into memory, read-only and shared with other processes: weights as they were published and packed
// ones. A page that cannot be read - its file was cut, its disk failed - is an error inside [Guard], not the end of the process.
package mapping

// Package cache is the content-addressed store that lets a second run answer
// from the first.
//
// Two kinds of hash are kept apart by type: an [ActionKey] names what was asked
// (the SHA-256 of the action document), a [BlobID] names bytes that were made.
// A [Record] leads from the one to the other. On disk:
//
//	CACHEDIR.TAG               marks the folder as a cache, and as ours
//	v1/records/ab/ab12…        JSON and a line with its checksum; mtime is the last use
//	v1/blobs/cd/cd34…          safetensors or PNG, named by the SHA-256 of the file
//	v1/checkpoints/12/1234…    how far an action has come that no run has finished yet
//	v1/packed/34/3456…         packed weights: what an executor made of a model's
//	v1/memo/ef/ef56…           small remembered facts, such as digests of weight files
//	v1/tombs/…                 what was evicted, and when
//	v1/pins/…                  records that no eviction takes
//	v1/leases/…                one file a process, locked while the process lives
//	v1/tmp/…                   files being written, named by the lease of their writer
//	v1/gate, v1/lock           evictions hold these alone, all else shares them
//
// A cache may forget, it never lies. Blobs are written first and records last,
// each to a temporary file that is synced and then renamed. Whatever is damaged
// is a [Miss] with its reason; a blob is given out only after its bytes were
// hashed. Locks are advisory and the kernel drops them with their process, so a
// killed process leaves nothing that another would wait for.
//
// What a process has got or put is on its lease: no other process evicts it
// until the lease ends, with [Disk.Close], [Disk.Release] or the process itself.
//
// Folders are changed only if they carry our CACHEDIR.TAG, only by names of the
// layout above, and never through a symbolic link that leads out of the folder.
//
// The design follows the caches of Go's own toolchain (cmd/go/internal/cache)
// and of the cache directory tagging specification (https://bford.info/cachedir/).
package cache

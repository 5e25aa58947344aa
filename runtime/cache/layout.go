package cache

import (
	"errors"
	"io/fs"
	"iter"
	"strings"
)

// version names the folder of this layout. A later layout gets a folder beside it.
const version = "v1"

// Folders of the layout.
const (
	recordDir = "records"
	blobDir   = "blobs"
	memoDir   = "memo"
	tombDir   = "tombs"
	pinDir    = "pins"
	leaseDir  = "leases"
	tmpDir    = "tmp"
	packedDir = "packed"

	checkpointDir = "checkpoints"
)

var (
	layoutDirs = []string{recordDir, blobDir, memoDir, tombDir, pinDir, leaseDir, tmpDir, packedDir, checkpointDir}
	// countedDirs are those whose files are the size of the store.
	countedDirs = []string{recordDir, blobDir, memoDir, tombDir, packedDir, checkpointDir}
)

// shard is the path of the file named hash in dir: dir/ab/ab12….
func shard(dir string, hash [32]byte) string {
	name := ActionKey(hash).String()
	return dir + "/" + name[:2] + "/" + name
}

// entry is a file of ours in one of the folders.
type entry struct {
	hash [32]byte
	path string
	info fs.FileInfo // not followed if a link; nil unless asked for
}

// walk gives the files of ours in dir whose name starts with prefix, in the
// order of their names. What is not ours, no plain file or gone meanwhile is
// passed over. With info, each entry has the file's.
func (f *files) walk(dir, prefix string, info bool) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		shards, err := f.list(dir)
		if err != nil {
			yield(entry{}, err)
			return
		}
		for _, s := range shards {
			n := min(2, len(prefix))
			if !s.IsDir() || !isHex(s.Name(), 2) || s.Name()[:n] != prefix[:n] {
				continue
			}
			if !f.walkShard(dir+"/"+s.Name(), prefix, info, yield) {
				return
			}
		}
	}
}

// walkShard gives the files of one shard. It reports whether to go on.
func (f *files) walkShard(dir, prefix string, info bool, yield func(entry, error) bool) bool {
	names, err := f.list(dir)
	if err != nil {
		return yield(entry{}, err)
	}
	for _, e := range names {
		name := e.Name()
		if !e.Type().IsRegular() || !isHex(name, 64) || name[:2] != dir[len(dir)-2:] || !strings.HasPrefix(name, prefix) {
			continue
		}
		at := entry{path: dir + "/" + name}
		if err := parseHash(&at.hash, name); err != nil {
			continue
		}
		if info {
			at.info, err = f.root.Lstat(at.path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		if !yield(at, err) {
			return false
		}
	}
	return true
}

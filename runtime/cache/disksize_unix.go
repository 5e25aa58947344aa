//go:build linux || darwin || freebsd

package cache

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"
)

// diskSize is the size in bytes of the file system that holds dir.
func diskSize(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	if block := uint64(st.Bsize); block > 0 && st.Blocks < math.MaxInt64/block {
		return int64(st.Blocks * block), nil
	}
	return math.MaxInt64, nil
}

// diskFull reports whether err says that there is no room for more.
func diskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

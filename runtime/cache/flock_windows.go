package cache

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes a lock on one byte far behind the end of an open file, so that
// its content can be read beside, unless another holds it. The lock ends when f
// is closed or its process ends.
func tryLock(f *os.File, exclusive bool) (bool, error) {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	c, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var lockErr error
	if err := c.Control(func(fd uintptr) {
		at := &windows.Overlapped{Offset: 0xfffffff0, OffsetHigh: 0x7fffffff}
		lockErr = windows.LockFileEx(windows.Handle(fd), flags, 0, 1, 0, at)
	}); err != nil {
		return false, err
	}
	switch {
	case lockErr == nil:
		return true, nil
	case errors.Is(lockErr, windows.ERROR_LOCK_VIOLATION), errors.Is(lockErr, windows.ERROR_IO_PENDING):
		return false, nil
	case errors.Is(lockErr, windows.ERROR_NOT_SUPPORTED), errors.Is(lockErr, windows.ERROR_INVALID_FUNCTION):
		return false, errNoLocks
	}
	return false, os.NewSyscallError("LockFileEx", lockErr)
}

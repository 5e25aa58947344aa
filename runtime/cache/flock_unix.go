//go:build unix && !solaris && !aix

package cache

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock takes an advisory lock on an open file unless another holds it. The
// lock ends when f is closed or its process ends.
func tryLock(f *os.File, exclusive bool) (bool, error) {
	how := unix.LOCK_SH | unix.LOCK_NB
	if exclusive {
		how = unix.LOCK_EX | unix.LOCK_NB
	}
	c, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var lockErr error
	if err := c.Control(func(fd uintptr) {
		for {
			if lockErr = unix.Flock(int(fd), how); lockErr != unix.EINTR {
				return
			}
		}
	}); err != nil {
		return false, err
	}
	switch {
	case lockErr == nil:
		return true, nil
	case errors.Is(lockErr, unix.EWOULDBLOCK), errors.Is(lockErr, unix.EACCES):
		return false, nil
	case errors.Is(lockErr, unix.ENOSYS), errors.Is(lockErr, unix.ENOTSUP), errors.Is(lockErr, unix.EOPNOTSUPP),
		errors.Is(lockErr, unix.ENOLCK), errors.Is(lockErr, unix.EINVAL):
		return false, errNoLocks
	}
	return false, os.NewSyscallError("flock", lockErr)
}

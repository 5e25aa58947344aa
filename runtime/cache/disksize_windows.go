package cache

import (
	"errors"
	"math"

	"golang.org/x/sys/windows"
)

// diskSize is the size in bytes of the volume that holds dir.
func diskSize(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var total uint64
	if err := windows.GetDiskFreeSpaceEx(name, nil, &total, nil); err != nil {
		return 0, err
	}
	return int64(min(total, math.MaxInt64)), nil
}

// diskFull reports whether err says that there is no room for more.
func diskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

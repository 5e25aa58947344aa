package weights

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// basicInfo is FILE_BASIC_INFO; times are in 100 ns since 1601.
type basicInfo struct {
	creation, access, write, change int64
	attributes                      uint32
	_                               uint32
}

// stampFile takes the stamp of an open file.
func stampFile(f *os.File) (FileStamp, error) {
	h := windows.Handle(f.Fd())
	var id windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &id); err != nil {
		return FileStamp{}, os.NewSyscallError("GetFileInformationByHandle", err)
	}
	var times basicInfo
	if err := windows.GetFileInformationByHandleEx(h, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&times)), uint32(unsafe.Sizeof(times))); err != nil {
		return FileStamp{}, os.NewSyscallError("GetFileInformationByHandleEx", err)
	}
	unixNs := func(t int64) int64 {
		ft := windows.Filetime{LowDateTime: uint32(t), HighDateTime: uint32(t >> 32)}
		return ft.Nanoseconds() // since 1970
	}
	return FileStamp{
		Size:    int64(id.FileSizeHigh)<<32 | int64(id.FileSizeLow),
		MtimeNs: unixNs(times.write),
		CtimeNs: unixNs(times.change),
		Inode:   uint64(id.FileIndexHigh)<<32 | uint64(id.FileIndexLow),
		Device:  uint64(id.VolumeSerialNumber),
	}, nil
}

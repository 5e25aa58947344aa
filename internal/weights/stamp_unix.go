//go:build unix

package weights

import (
	"os"

	"golang.org/x/sys/unix"
)

// stampFile takes the stamp of an open file.
func stampFile(f *os.File) (FileStamp, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return FileStamp{}, os.NewSyscallError("fstat", err)
	}
	return FileStamp{
		Size:    st.Size,
		MtimeNs: st.Mtim.Nano(),
		CtimeNs: st.Ctim.Nano(),
		Inode:   uint64(st.Ino),
		Device:  uint64(st.Dev),
	}, nil
}

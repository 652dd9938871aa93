//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// duplicate opens a descriptor of this process once more: it writes where the descriptor
// stands, which opening its name would not.
func duplicate(n int, name string) (*os.File, error) {
	d, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(d), name), nil
}

// ownedByRoot reports whether only root can have made a file.
func ownedByRoot(st fs.FileInfo) bool {
	s, ok := st.Sys().(*syscall.Stat_t)
	return ok && s.Uid == 0
}

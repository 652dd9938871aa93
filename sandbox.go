package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// sandbox is what a command still needs when everything is open. The process gives up all other
// rights, for good and in all threads. An attacker who takes control through a packet then has
// only these rights.
type sandbox struct {
	// reads are the files to be read later. waits may be replaced or appear later.
	reads, waits []string
	// appears are the open outputs that get their name at the end, creates those opened later.
	appears, creates []string
	mode             fs.FileMode
	// child is the process id of the command that runs; 0 for none. Only it receives signals, and
	// interfaces are looked up.
	child int
	// isLive says that the process may run for weeks, so its start may take some milliseconds.
	isLive bool
}

// directories returns the resolved directories of files, each once. With isAwaited, the nearest
// existing parent replaces a missing directory.
func directories(files []string, isAwaited bool) (dirs []string) {
	for _, name := range files {
		if name == "" || name == "-" {
			continue
		}
		name, err := filepath.Abs(name)
		if err != nil {
			continue
		}
		dir := filepath.Dir(name)
		if target, err := filepath.EvalSymlinks(name); err == nil {
			dir = filepath.Dir(target)
		}
		for isAwaited && dir != filepath.Dir(dir) {
			if _, err := os.Stat(dir); err == nil {
				break
			}
			dir = filepath.Dir(dir)
		}
		if resolved, err := filepath.EvalSymlinks(dir); err == nil && !slices.Contains(dirs, resolved) {
			dirs = append(dirs, resolved)
		}
	}
	return dirs
}

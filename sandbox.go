package main

import (
	"os"
	"path/filepath"
	"slices"
)

// sandbox is what a command still needs when everything is open. The process gives up all else, for good
// and in all threads: what a packet takes over can then do no more than this.
type sandbox struct {
	// reads are the files that are still to be read, waits those that may be replaced or appear later.
	reads, waits []string
	// appears are the outputs that are open and get their name at the end, creates those that are opened later, too.
	appears, creates []string
	// hasChild says that a command runs, which gets signals, and that interfaces are looked up.
	hasChild bool
	// isLive says that the process lives for weeks, so that the start may take some milliseconds.
	isLive bool
}

// confine gives up what the job does not need any more. It is called once, when everything is open.
func (j *job) confine(s sandbox) {
	if j.environment.confine == nil || j.opt.traffic.noSandbox {
		return
	}
	for _, o := range j.opt.output.outputs {
		s.appears = append(s.appears, o.path)
	}
	s.appears = append(s.appears, j.opt.evidence.path, j.opt.evidence.bundle, j.opt.report.writeBaseline)
	applied, err := j.environment.confine(s)
	if err != nil {
		j.warn(err)
	}
	if j.opt.traffic.verbose {
		j.complain("sandbox: %s", applied)
	}
}

// directories are those of files, resolved, each once. With isAwaited, one that is not there yet stands for
// the nearest one above it that is.
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

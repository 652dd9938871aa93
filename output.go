package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// output is where a report goes: standard output, or a file that appears whole
// or not at all.
type output struct {
	w    io.Writer
	name string
	path string   // of the file, empty for standard output
	temp *os.File // beside path, until commit
	// replaces is what was there before, nil for nothing: its rights are kept.
	replaces fs.FileInfo
}

// openOutput opens path for writing, or takes stdout when path is empty or "-".
// It fails before any work is done when nothing can be written there.
func openOutput(path string, stdout io.Writer) (*output, error) {
	if path == "" || path == "-" {
		return &output{w: stdout, name: "standard output"}, nil
	}
	st, err := os.Stat(path)
	if err == nil && !st.Mode().IsRegular() {
		if st.IsDir() {
			return nil, fmt.Errorf("write %s: is a directory", path)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0) // a device or a pipe is written to as it is
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, reason(err))
		}
		return &output{w: f, name: path}, nil
	}
	o := &output{name: path, path: path}
	if err == nil {
		o.replaces = st
		if o.path, err = filepath.EvalSymlinks(path); err != nil { // a link stays one: /dev/stdout is one
			return nil, fmt.Errorf("write %s: %w", path, reason(err))
		}
	}
	if o.temp, err = createBeside(o.path); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, reason(err))
	}
	o.w = o.temp
	return o, nil
}

// createBeside creates a file of another name beside path, with the rights that
// the system gives to new files: os.CreateTemp gives fewer.
func createBeside(path string) (*os.File, error) {
	const tries = 100
	for n := 0; ; n++ {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%08x", filepath.Base(path), rand.Uint32()))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, fs.ErrExist) || n == tries {
			return f, err
		}
	}
}

// namedFile is a file that a command writes, with the flag that says so; path is
// empty where it does not.
type namedFile struct{ flag, path string }

// apart fails where a file would be written over one that is read, or where two
// are one: a capture is not to be lost to its own report.
func apart(files []namedFile, read ...string) error {
	for i, f := range files {
		for _, name := range read {
			if sameFile(f.path, name) {
				return fmt.Errorf("%s %s: is a file that is read", f.flag, f.path)
			}
		}
		for _, other := range files[:i] {
			if sameFile(f.path, other.path) {
				return fmt.Errorf("%s %s: is the file of %s", f.flag, f.path, other.flag)
			}
		}
	}
	return nil
}

// fileNames are the names of captures in the file system: that of standard input is
// the name of its file.
func fileNames(captures []string, stdin io.Reader) []string {
	out := slices.Clone(captures)
	for i, name := range out {
		if f, ok := stdin.(*os.File); ok && name == "-" {
			out[i] = f.Name()
		}
	}
	return out
}

// sameFile tells whether two names are of one regular file, or would be.
func sameFile(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	as, aErr := os.Stat(a)
	bs, bErr := os.Stat(b)
	switch {
	case aErr == nil && bErr == nil:
		return as.Mode().IsRegular() && os.SameFile(as, bs)
	case aErr == nil || bErr == nil:
		return false
	}
	ad, aErr := os.Stat(filepath.Dir(a))
	bd, bErr := os.Stat(filepath.Dir(b))
	return aErr == nil && bErr == nil && os.SameFile(ad, bd) && filepath.Base(a) == filepath.Base(b)
}

// reason is what the system said, without the name it was said of.
func reason(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// commit makes the file appear under its name.
func (o *output) commit() error {
	if o.temp == nil {
		return nil
	}
	var err error
	if o.replaces != nil {
		err = o.temp.Chmod(o.replaces.Mode().Perm())
	}
	if err = errors.Join(err, o.temp.Close()); err == nil {
		err = os.Rename(o.temp.Name(), o.path)
	}
	if err != nil {
		o.abandon()
		return fmt.Errorf("write %s: %w", o.path, reason(err))
	}
	o.temp = nil
	return nil
}

// abandon removes what was not committed.
func (o *output) abandon() {
	if o.temp != nil {
		_ = o.temp.Close()
		_ = os.Remove(o.temp.Name()) // what is left of it harms nobody
		o.temp = nil
	}
}

// progressInterval is how often the progress bar moves.
const progressInterval = 200 * time.Millisecond

// showProgress draws a progress bar on standard error, if that is a terminal, until
// stop is called.
func showProgress(src *fileSource, isQuiet bool, stderr io.Writer) (stop func()) {
	f, ok := stderr.(*os.File)
	if isQuiet || !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	_, total := src.Progress()
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(true),
		progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth(), progressbar.OptionSetDescription("reading"))
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				n, _ := src.Progress()
				_ = bar.Set64(n) // a picture for the eye: nothing is lost with it
			case <-done:
				_ = bar.Finish()
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

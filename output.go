package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/kafkavet/kafkavet/capture"
)

// output is where a report goes: standard output, or a file that appears whole
// or not at all.
type output struct {
	w    io.Writer
	name string
	path string   // of the file, empty for standard output
	temp *os.File // beside path, until commit
}

// openOutput opens path for writing, or takes stdout when path is empty. It
// fails before any work is done when nothing can be written there.
func openOutput(path string, stdout io.Writer) (*output, error) {
	if path == "" {
		return &output{w: stdout, name: "standard output"}, nil
	}
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		if st.IsDir() {
			return nil, fmt.Errorf("write %s: is a directory", path)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0) // a device or a pipe is written to as it is
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, reason(err))
		}
		return &output{w: f, name: path}, nil
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, reason(err))
	}
	return &output{w: temp, name: path, path: path, temp: temp}, nil
}

// spare refuses to write to path where that is one of the files that are read: the capture would be gone.
func spare(path string, read ...string) error {
	to, err := os.Stat(path)
	if err != nil || !to.Mode().IsRegular() {
		return nil // nothing there that could be lost
	}
	for _, name := range read {
		if from, err := os.Stat(name); err == nil && os.SameFile(from, to) {
			return fmt.Errorf("write %s: is the file that is read", path)
		}
	}
	return nil
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
	err := errors.Join(o.temp.Chmod(0o644), o.temp.Close())
	if err == nil {
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
func showProgress(src *capture.Files, flags *pipelineFlags, s streams) (stop func()) {
	f, ok := s.err.(*os.File)
	if flags.quiet || !ok || !term.IsTerminal(int(f.Fd())) {
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

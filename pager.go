package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/term"
)

// defaultPager is used if PAGER is not set. -R shows colors.
const defaultPager = "less -R"

// paged writes text to w. If w is a terminal with too few lines for it, a pager shows the text. If
// the pager does not start, paged writes the text directly.
func paged(w io.Writer, text []byte) error {
	f, ok := w.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) {
		if _, height, err := term.GetSize(int(f.Fd())); err == nil && bytes.Count(text, []byte("\n")) >= height && showPaged(f, text) {
			return nil
		}
	}
	_, err := w.Write(text)
	return err
}

// showPaged shows a text with a pager. It reports whether the pager started.
func showPaged(terminal *os.File, text []byte) bool {
	command := strings.Fields(os.Getenv("PAGER"))
	if len(command) == 0 {
		command = strings.Fields(defaultPager)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), terminal, os.Stderr
	if os.Getenv("LESS") == "" {
		cmd.Env = append(os.Environ(), "LESS=R") // colors, also if PAGER is only less
	}
	if cmd.Start() != nil {
		return false
	}
	_ = cmd.Wait() // any exit code is fine: the user has read the text
	return true
}

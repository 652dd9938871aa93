package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/term"
)

// defaultPager shows what does not fit on a terminal, with its colors, where PAGER names no other program.
const defaultPager = "less -R"

// paged writes a text to w, or shows it with a pager where w is a terminal that has not enough lines for it. A pager
// that cannot be started is done without.
func paged(w io.Writer, text []byte) error {
	f, ok := w.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) {
		if _, height, err := term.GetSize(int(f.Fd())); err == nil && bytes.Count(text, []byte("\n")) >= height && page(f, text) {
			return nil
		}
	}
	_, err := w.Write(text)
	return err
}

// page shows a text with a pager, and reports whether that could be started.
func page(terminal *os.File, text []byte) bool {
	command := strings.Fields(os.Getenv("PAGER"))
	if len(command) == 0 {
		command = strings.Fields(defaultPager)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), terminal, os.Stderr
	if os.Getenv("LESS") == "" {
		cmd.Env = append(os.Environ(), "LESS=R") // colors, also where PAGER is less alone
	}
	if cmd.Start() != nil {
		return false
	}
	_ = cmd.Wait() // the reader has seen what they wanted
	return true
}

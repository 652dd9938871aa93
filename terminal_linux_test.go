package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// terminal is a terminal for a test. It records everything written to it.
type terminal struct {
	*os.File
	mu    sync.Mutex
	shown bytes.Buffer
	done  chan struct{}
}

func newTerminal(t *testing.T, rows, columns uint16) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{File: slave, done: make(chan struct{})}
	go func() {
		defer close(term.done)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf) // fails when the other side is closed
			term.mu.Lock()
			term.shown.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = slave.Close(); _ = master.Close() })
	return term
}

// text closes the terminal and returns everything written to it.
func (t *terminal) text() string {
	_ = t.Close()
	<-t.done
	return strings.ReplaceAll(t.shown.String(), "\r\n", "\n")
}

// TestExplainIsPagedWhereItDoesNotFit: a text that does not fit on the terminal is shown by the
// program in PAGER, with colors.
func TestExplainIsPagedWhereItDoesNotFit(t *testing.T) {
	pager := filepath.Join(t.TempDir(), "pager")
	if err := os.WriteFile(pager, []byte("#!/bin/sh\necho \"paged $1 $LESS\"\ncat\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	for _, c := range []struct {
		pager string
		rows  uint16
		paged bool
	}{{pager + " -x", 10, true}, {pager + " -x", 200, false}, {"/nowhere/pager", 10, false}} {
		t.Setenv("PAGER", c.pager)
		t.Setenv("LESS", "")
		out := newTerminal(t, c.rows, 90)
		if code := run(t.Context(), []string{"explain", "KV1001"}, streams{strings.NewReader(""), out.File, io.Discard}); code != exitClean {
			t.Errorf("exit code %d", code)
		}
		text := out.text()
		if strings.HasPrefix(text, "paged -x R\n") != c.paged || !strings.Contains(text, "above-max") || !strings.Contains(text, "\x1b[") {
			t.Errorf("%s, %d lines:\n%q", c.pager, c.rows, text)
		}
	}
}

// TestRequestsAreATableAtATerminal: the table fits on the terminal.
func TestRequestsAreATableAtATerminal(t *testing.T) {
	const file = "testdata/captures/confluent-go-2.6.0_fetch-max-7.pcap"
	out := newTerminal(t, 24, 60)
	run(t.Context(), []string{"requests", file}, streams{strings.NewReader(""), out.File, io.Discard})
	text := out.text()
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 60 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.HasPrefix(text, "FRAME  STREAM  TIME (UTC)") {
		t.Errorf("no table: %s", text)
	}
	out = newTerminal(t, 24, 60)
	run(t.Context(), []string{"requests", "--format", "tsv", file}, streams{strings.NewReader(""), out.File, io.Discard})
	if text := out.text(); !strings.HasPrefix(text, "frame ") && !strings.HasPrefix(text, "frame\t") {
		t.Errorf("no TSV: %s", text)
	}
}

// interrupt is a context that is done after some calls of Err, like Ctrl-C after some batches.
type interrupt struct {
	context.Context
	left atomic.Int64
}

// Err implements context.Context. It gives the progress bar time to appear.
func (i *interrupt) Err() error {
	switch left := i.left.Add(-1); {
	case left == 0:
		time.Sleep(3 * progressInterval)
		return context.Canceled
	case left < 0:
		return context.Canceled
	}
	return nil
}

// TestInterruptedAnalysisReportsSoFar: the bar is cleared before the message.
func TestInterruptedAnalysisReportsSoFar(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:9092"))
	c.Exchange(capturetest.ApiVersionsRequest(3, 1, "app", "lib", "1.0"), capturetest.ApiVersionsResponse(3, 1, 0, capturetest.API{Key: 3, Max: 9}, capturetest.API{Key: 18, Max: 3}))
	for id := int32(2); id < 9000; id++ {
		c.Exchange(capturetest.RequestHeader{Key: 3, Version: 5, CorrelationID: id, ClientID: "app", HeaderVersion: 1}.Frame(make([]byte, 300)), capturetest.ResponseFrame(id, false, make([]byte, 30)))
	}
	file := filepath.Join(t.TempDir(), "long.pcapng")
	if err := os.WriteFile(file, capturetest.Pcapng{}.Encode(r.Packets), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := &interrupt{Context: t.Context()}
	ctx.left.Store(3)
	errs := newTerminal(t, 24, 80)
	var out bytes.Buffer
	if code := run(ctx, []string{"analyze", file}, streams{strings.NewReader(""), &out, errs.File}); code != exitTrouble {
		t.Errorf("exit code %d, want %d", code, exitTrouble)
	}
	if text := out.String(); !strings.Contains(text, "checked ") || strings.Contains(text, "8,999 requests") {
		t.Errorf("no report of the part that was read:\n%s", text)
	}
	shown := errs.text()
	bar := strings.Index(shown, "reading")
	before, _, ok := strings.Cut(shown, "kafkavet: interrupted after ")
	if !ok || bar < 0 || !strings.HasSuffix(strings.TrimRight(before, " "), "\r") && !strings.HasSuffix(before, "\x1b[2K\r") {
		t.Errorf("the bar is not cleared before the message: %q", shown)
	}
}

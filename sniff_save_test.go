package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

func TestSavedPacketsAreThoseThatCame(t *testing.T) {
	t.Chdir(t.TempDir())
	sent := refused(0)
	if o := played(sent, 4).run(t.Context(), "-w", "kept.pcapng", "--duration", "3s"); o.code != exitFindings {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	got, err := capturetest.ReadFile("kept.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(sent) {
		t.Fatalf("%d packets, want %d", len(got), len(sent))
	}
	for i := range got {
		if string(got[i].Data) != string(sent[i].Data) || got[i].Time != sent[i].Time {
			t.Errorf("packet %d differs", i+1)
		}
	}
	if st, err := os.Stat("kept.pcapng"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others may read it", st.Mode(), err)
	}
}

// TestReportNamesTheSavedFile: the commands of the report read the file of -w. With --redact the
// report does not name it, and a warning says that it has the names.
func TestReportNamesTheSavedFile(t *testing.T) {
	const warning = "warning: --write kept.pcapng: keeps the packets as they were captured; --redact replaces no names in it"
	for _, test := range []struct {
		args    []string
		command string
		warns   bool
	}{
		{nil, "\nkafkavet analyze kept.pcapng\n", false},
		{[]string{"--redact"}, "\nkafkavet analyze CAPTURE\n", true},
		{[]string{"--rotate-size", "1"}, "\nkafkavet analyze CAPTURE\n", false},
	} {
		t.Chdir(t.TempDir())
		o := played(refused(0), 4).run(t.Context(), append(test.args, "-w", "kept.pcapng", "-o", "live.md", "--duration", "3s")...)
		report, err := os.ReadFile("live.md")
		if err != nil || !strings.Contains(string(report), test.command) {
			t.Errorf("%v: the report lacks %q, %v: %s", test.args, test.command, err, report)
		}
		if strings.Contains(o.stderr.String(), warning) != test.warns {
			t.Errorf("%v: standard error: %s", test.args, o.stderr)
		}
	}
}

func TestRotation(t *testing.T) {
	large := func(n int) []capturetest.Packet { // some 300 KB
		r := capturetest.NewRecorder()
		r.Now += int64(n) * int64(time.Second)
		c := r.Join(sniffClient(n), sniffBroker)
		c.Send(capturetest.ToBroker, make([]byte, 300_000))
		return r.Packets
	}
	for _, test := range []struct {
		name         string
		args         []string
		files, least int
	}{
		{"by size", []string{"--rotate-size", "1"}, 7, 7},
		{"by time", []string{"--rotate-interval", "1s"}, 3, 2},
		{"the newest are kept", []string{"--rotate-size", "1", "--rotate-keep", "3"}, 3, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			strangers := []string{"kept-20200101T000000Z-x.pcapng", "kept.pcapng", "kept-1.pcapng", "other-20200101T000000Z-000001.pcapng"}
			for _, name := range append(strangers, "kept-20200101T000000Z-000001.pcapng") {
				if err := os.WriteFile(name, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f := &fakeInterface{step: fakeStep}
			n := 0
			f.batch = func(time.Duration) []capturetest.Packet {
				if n++; n > 20 {
					return nil
				}
				return large(n)
			}
			if o := f.run(t.Context(), append(test.args, "-w", "kept.pcapng", "--duration", "2s")...); o.code != exitClean {
				t.Fatalf("exit code %d: %s", o.code, o.stderr)
			}
			names, err := filepath.Glob("kept-20[2-9][1-9]*.pcapng")
			if err != nil {
				t.Fatal(err)
			}
			if len(names) < test.least || len(names) > test.files {
				t.Errorf("%d files, want %d to %d: %v", len(names), test.least, test.files, names)
			}
			for _, name := range strangers {
				if !exists(name) {
					t.Errorf("%s is gone", name)
				}
			}
			if old := exists("kept-20200101T000000Z-000001.pcapng"); old == slices.Contains(test.args, "--rotate-keep") {
				t.Errorf("the file of an earlier run is there: %v", old)
			}
		})
	}
}

// TestSavedFileCanBeReadAtAnyTime reads the file after every batch, both large and small.
func TestSavedFileCanBeReadAtAnyTime(t *testing.T) {
	t.Chdir(t.TempDir())
	f := &fakeInterface{step: fakeStep}
	n := 0
	f.batch = func(time.Duration) []capturetest.Packet {
		if _, err := capturetest.ReadFile("kept.pcapng"); err != nil {
			t.Errorf("before batch %d: %v", n+1, err)
		}
		n++
		r := capturetest.NewRecorder()
		r.Join(sniffClient(n), sniffBroker).Send(capturetest.ToBroker, make([]byte, n%7*40_000))
		return r.Packets
	}
	if o := f.run(t.Context(), "-w", "kept.pcapng", "--duration", "2s"); o.code != exitClean {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	if n < 15 {
		t.Errorf("%d batches", n)
	}
}

// TestOldestFilesAreForgotten has files of earlier runs, one with a later date because the clock
// was set back. The numbers of the files exceed 6 digits.
func TestOldestFilesAreForgotten(t *testing.T) {
	t.Chdir(t.TempDir())
	info := capture.Info{Interfaces: []capture.Interface{{Name: "fake0", Link: 1, Resolution: 9}}}
	for _, name := range []string{"k-20200101T000000Z-000009.pcapng", "k-29990101T000000Z-000001.pcapng", "k-29990101T000000Z-1000000.pcapng"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openSaver(saveOptions{path: "k.pcapng", size: 1, keep: 4}, fileOpener{mode: 0o600, isRoot: true}, info, func() time.Duration { return 0 }, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	s.number = 999_997
	for range 3 { // 999,998 to 1,000,000
		if err := s.rotate(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.rotate(); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("k-*.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, name := range names {
		kept = append(kept, strings.TrimPrefix(name, "k-"+s.stamp+"-"))
	}
	slices.Sort(kept)
	if want := []string{"1000000.pcapng", "1000001.pcapng", "999998.pcapng", "999999.pcapng"}; !slices.Equal(kept, want) {
		t.Errorf("kept %v, want %v", kept, want)
	}
}

// TestFailureToSaveEndsNoCapture makes a saved file fail. The capture continues without it.
func TestFailureToSaveEndsNoCapture(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	name := fmt.Sprintf("/dev/fd/%d", w.Fd())
	f := &fakeInterface{step: fakeStep}
	n := 0
	f.batch = func(time.Duration) []capturetest.Packet {
		if n++; n == 2 {
			_ = r.Close()
		}
		return refused(n)
	}
	o := f.run(t.Context(), "-w", name, "--duration", "60s")
	want := "write " + name + ": " + syscall.EPIPE.Error() + "; watching continues without -w\n"
	if o.code != exitTrouble || strings.Count(o.stderr.String(), want) != 1 {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	if n < 600 {
		t.Errorf("%d batches, want 600: %s", n, o.stdout)
	}
}

// fullDisk accepts a number of bytes, and no more until space is freed.
type fullDisk struct {
	io.Writer
	room int
}

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	written, err := d.Writer.Write(p[:n])
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return written, err
}

// TestSavingGoesOnWhenThereIsRoom fills the disk in the middle of a block, and frees space later.
func TestSavingGoesOnWhenThereIsRoom(t *testing.T) {
	t.Chdir(t.TempDir())
	info := capture.Info{Interfaces: []capture.Interface{{Name: "fake0", Link: 1, Resolution: 9}}}
	now := time.Duration(0)
	var said []string
	s, err := openSaver(saveOptions{path: "k.pcapng"}, fileOpener{mode: 0o600}, info, func() time.Duration { return now },
		func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
	if err != nil {
		t.Fatal(err)
	}
	disk := &fullDisk{Writer: s.file.w, room: 1000}
	s.file.w = disk
	packet := []capture.Packet{{Data: make([]byte, 300), Length: 300}}
	for second := range 40 { // one packet each; three fit
		now = time.Duration(second+1) * time.Second
		if second == 25 {
			disk.room = 1 << 20
		}
		s.write(packet)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	want := []string{
		"write k.pcapng: no space left on device; watching continues without -w, which is tried again every 10s",
		"k.pcapng is written again; the packets of 30s are missing from it",
	}
	if !slices.Equal(said, want) || !s.hasLost {
		t.Errorf("said %q, want %q", said, want)
	}
	// 3 before the failure, and one each from the 34th second on.
	if got, err := capturetest.ReadFile("k.pcapng"); err != nil || len(got) != 3+40-33 {
		t.Errorf("%d packets, %v", len(got), err)
	}
}

// TestPacketsToStandardOutput: findings go to standard error.
func TestPacketsToStandardOutput(t *testing.T) {
	sent := refused(0)
	o := played(sent, 4).run(t.Context(), "-w", "-", "--duration", "3s")
	if o.code != exitFindings || !strings.Contains(o.stderr.String(), "KV1001") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	path := filepath.Join(t.TempDir(), "k.pcapng")
	if err := os.WriteFile(path, []byte(o.stdout.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := capturetest.ReadFile(path); err != nil || len(got) != len(sent) {
		t.Errorf("%d packets, want %d; %v", len(got), len(sent), err)
	}
}

// TestFileThatCannotBeSavedIsNoCapture has a full disk from the beginning.
func TestFileThatCannotBeSavedIsNoCapture(t *testing.T) {
	f := &fakeInterface{step: fakeStep, batch: func(time.Duration) []capturetest.Packet { return nil }}
	o := f.run(t.Context(), "-w", "/dev/full", "--duration", "60s")
	if want := "kafkavet: write /dev/full: no space left on device\n"; o.code != exitTrouble || o.stderr.String() != want {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

func TestStatusLineLeavesNothingBehind(t *testing.T) {
	var out strings.Builder
	width := 80
	l := &statusLine{out: &out, size: func() (int, bool) { return width, true }}
	c := liveCounts{Packets: 1234567, Connections: 3, Open: 2, Requests: 1}
	l.show(c)
	text := "1,234,567 packets, 3 connections (2 open), 1 request, no findings, none dropped"
	if want := "\r\x1b[J" + text; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	if _, err := fmt.Fprintln(l, "a message"); err != nil || out.String() != "\r\x1b[Ja message\n" {
		t.Errorf("a message is written as %q", out.String())
	}
	l.show(c)
	out.Reset()
	width = 30 // the terminal breaks the line into three rows
	l.hide()
	if want := "\r\x1b[2A\x1b[J"; out.String() != want {
		t.Errorf("after the terminal became narrower: %q, want %q", out.String(), want)
	}
	out.Reset()
	l.hide()
	if out.Len() > 0 {
		t.Errorf("what is not there is erased: %q", out.String())
	}
	l.show(c)
	if want := "\r\x1b[Jno findings, none dropped"; out.String() != want {
		t.Errorf("in a narrow terminal: %q, want %q", out.String(), want)
	}
}

func TestStatusLineKeepsWhatMatters(t *testing.T) {
	c := liveCounts{Packets: 1234567, Connections: 3, Open: 2, Requests: 1, Dropped: 17}
	c.Findings.Error, c.Findings.Info = 2, 1
	for room, want := range map[int]string{
		90: "1,234,567 packets, 3 connections (2 open), 1 request, 2 errors, 1 note, 17 DROPPED",
		70: "3 connections (2 open), 1 request, 2 errors, 1 note, 17 DROPPED",
		40: "1 request, 2 errors, 1 note, 17 DROPPED",
		28: "2 errors, 1 note, 17 DROPPED", 12: "17 DROPPED", 4: "17 D",
	} {
		if got := statusText(c, room); got != want {
			t.Errorf("in %d columns: %q, want %q", room, got, want)
		}
	}
}

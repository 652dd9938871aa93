package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report/model"
)

const (
	// saveBuffer is how many bytes of a saved capture one write has, unless a packet is longer.
	saveBuffer = 256 << 10
	// saveFlush is the longest time before packets are written.
	saveFlush = time.Second
	// saveRetry is the time between attempts to write a file after a failure.
	saveRetry = 10 * time.Second
	// minRotation bounds --rotate-interval, so that the names of files differ.
	minRotation = time.Second
)

type saveOptions struct {
	path     string
	size     uint
	interval time.Duration
	keep     uint
	comments bool
}

func (o *saveOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	usage := "also write the captured packets to `FILE` (pcapng)"
	if cmd.Name() != "run" { // its standard output belongs to the command
		usage += "; - is standard output, and findings go to standard error"
	}
	f.StringVarP(&o.path, "write", "w", "", usage)
	f.UintVar(&o.size, "rotate-size", 0, "begin a new file of -w after `N` MiB; the names get time and number")
	f.DurationVar(&o.interval, "rotate-interval", 0, "begin a new file of -w after this `DURATION`")
	f.UintVar(&o.keep, "rotate-keep", 0, "keep the newest `N` files of -w, also those of earlier runs, and delete older ones")
	f.BoolVar(&o.comments, "comments", false, "write findings into -w as comments on their packets, which wait up to 2s for them")
}

func (o *saveOptions) rotates() bool { return o.size > 0 || o.interval > 0 }

func (o *saveOptions) resolve() error {
	switch {
	case o.path == "" && (o.rotates() || o.keep > 0):
		return errors.New("--rotate-size, --rotate-interval and --rotate-keep need -w")
	case o.path == "" && o.comments:
		return errors.New("--comments: needs -w")
	case o.path == "-" && o.rotates():
		return errors.New("-w -: standard output cannot be rotated")
	case o.keep > 0 && !o.rotates():
		return errors.New("--rotate-keep: needs --rotate-size or --rotate-interval")
	case o.interval != 0 && o.interval < minRotation:
		return fmt.Errorf("--rotate-interval %v: must be %v or more", o.interval, minRotation)
	}
	return nil
}

// saver writes packets to pcapng files. It belongs to the reading goroutine.
type saver struct {
	options saveOptions
	opener  fileOpener
	info    capture.Info
	now     func() time.Duration
	// say prints on standard error.
	say func(format string, args ...any)
	// place is the name of the files. Its directory stays open if there are several.
	place dirFile
	// stamp names the files of this run.
	stamp   string
	number  int
	file    *output
	blocks  *blockFile
	buf     wholeBlocks
	w       *capture.Writer
	begun   time.Duration
	flushed time.Duration

	// isOut says that writes have failed since outSince. tried is the time of the last attempt.
	// isOver says that there is no further attempt.
	isOut, isOver   bool
	outSince, tried time.Duration
	// hasLost says that packets are missing from the files.
	hasLost bool
}

// wholeBlocks writes only complete blocks, so that the file can be read at any time.
type wholeBlocks struct{ *bufio.Writer }

// Write writes a complete block.
func (b wholeBlocks) Write(block []byte) (int, error) {
	if len(block) > b.Available() {
		if err := b.Flush(); err != nil {
			return 0, err
		}
	}
	return b.Writer.Write(block)
}

// blockFile writes complete blocks. It removes the part that a full disk accepts.
type blockFile struct {
	out  *output
	size int64
	// isTorn: a part could not be removed. A pipe cannot be truncated; its reader gets the part.
	isTorn bool
}

// Write writes complete blocks.
func (f *blockFile) Write(blocks []byte) (int, error) {
	n, err := f.out.w.Write(blocks)
	if err == nil {
		f.size += int64(n)
		return n, nil
	}
	f.isTorn = true
	if f.out.file != nil && f.out.file.Truncate(f.size) == nil {
		_, failed := f.out.file.Seek(f.size, io.SeekStart)
		f.isTorn = failed != nil
	}
	return n, err
}

// openSaver opens the first file. info describes the interface.
func openSaver(options saveOptions, o fileOpener, info capture.Info, now func() time.Duration, say func(string, ...any)) (s *saver, err error) {
	s = &saver{
		options: options, opener: o, info: info, now: now, say: say, stamp: time.Now().UTC().Format("20060102T150405Z"),
		buf: wholeBlocks{bufio.NewWriterSize(nil, saveBuffer)},
	}
	if options.rotates() {
		if s.place, err = o.place(options.path); err != nil {
			return nil, writeError(options.path, err)
		}
	}
	return s, s.begin()
}

func (s *saver) begin() (err error) {
	if s.options.rotates() {
		err = s.createNext()
	} else {
		s.file, err = s.opener.open(s.options.path)
	}
	if err != nil {
		return err
	}
	s.begun = s.now()
	s.blocks = &blockFile{out: s.file}
	if err := s.section(); err != nil { // a file without a header cannot be read
		s.file.abandon()
		if s.options.rotates() {
			_ = s.place.dir.Remove(filepath.Base(s.file.name)) // it holds nothing
		}
		return err
	}
	if err := s.file.appear(); err != nil {
		return err
	}
	err = s.removeOldest()
	s.isOver = s.isOver || err != nil // otherwise further files would fill the disk
	return err
}

func (s *saver) section() error {
	s.buf.Reset(s.blocks)
	s.w = capture.NewWriter(s.buf, "kafkavet "+toolVersion(), "")
	for _, i := range s.info.Interfaces {
		if _, err := s.w.AddInterface(i); err != nil {
			return writeError(s.file.name, err)
		}
	}
	return writeError(s.file.name, s.buf.Flush())
}

// createNext creates the next file of a rotation. An existing name belongs to another run.
func (s *saver) createNext() (err error) {
	const tries = 1000
	ext := filepath.Ext(s.place.name)
	for range tries {
		s.number++
		name := fmt.Sprintf("%s-%s-%06d%s", strings.TrimSuffix(s.place.name, ext), s.stamp, s.number, ext)
		if s.file, err = s.opener.create(dirFile{s.place.dir, name}); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	s.file.name = filepath.Join(filepath.Dir(s.options.path), s.file.name)
	return writeError(s.file.name, err)
}

// write saves packets. It reports errors, and tries again later if the file can be continued.
func (s *saver) write(packets []capture.Packet) { s.writeWith(packets, nil) }

// writeWith is write with one comment for each packet; nil for none.
func (s *saver) writeWith(packets []capture.Packet, comments []string) {
	now := s.now()
	switch {
	case s.isOver || s.isOut && now-s.tried < saveRetry:
		return
	case s.isOut:
		s.tried = now
		if s.resume() != nil {
			return // the reason was reported
		}
		s.isOut = false
		s.say("%s is written again; the packets of %v are missing from it", s.options.path, (now - s.outSince).Round(time.Second))
	}
	err := s.keep(packets, comments)
	if err == nil {
		return
	}
	s.hasLost, s.isOut, s.outSince, s.tried = true, true, now, now
	if s.isOver = s.isOver || s.blocks.isTorn; s.isOver {
		s.say("%v; watching continues without -w", err)
	} else {
		s.say("%v; watching continues without -w, which is tried again every %v", err, saveRetry)
	}
}

// resume continues after an outage: with the next file of a rotation, or with a new section.
func (s *saver) resume() error {
	if !s.options.rotates() {
		return s.section()
	}
	s.file.close()
	return s.begin()
}

func (s *saver) keep(packets []capture.Packet, comments []string) error {
	now := s.now()
	for i := range packets {
		comment := ""
		if comments != nil {
			comment = comments[i]
		}
		if err := s.w.WritePacket(packets[i].Interface, &packets[i], comment); err != nil {
			return writeError(s.file.name, err)
		}
		if s.options.size > 0 && s.blocks.size+int64(s.buf.Buffered()) >= int64(s.options.size)<<20 {
			if err := s.rotate(); err != nil {
				return err
			}
		}
	}
	if s.options.interval > 0 && now-s.begun >= s.options.interval {
		return s.rotate()
	}
	if now-s.flushed >= saveFlush {
		s.flushed = now
		return writeError(s.file.name, s.buf.Flush())
	}
	return nil
}

func (s *saver) rotate() error {
	if err := s.close(); err != nil {
		return err
	}
	return s.begin()
}

func (s *saver) close() error {
	var err error
	if !s.isOut {
		err = writeError(s.file.name, s.buf.Flush())
	}
	if !s.options.rotates() && s.file.file != nil {
		if _, gone := os.Lstat(s.options.path); errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("write %s: it was deleted meanwhile", s.options.path))
		}
	}
	return errors.Join(err, s.file.commit())
}

// removeOldest deletes the oldest files beyond --rotate-keep. It deletes only files with a name of
// the rotation. Files of this run count as the newest, because the clock may have been set.
func (s *saver) removeOldest() error {
	if s.options.keep == 0 {
		return nil
	}
	ext := filepath.Ext(s.place.name)
	base := strings.TrimSuffix(s.place.name, ext)
	ours := regexp.MustCompile("^" + regexp.QuoteMeta(base) + `-(\d{8}T\d{6}Z)-(\d{6,})` + regexp.QuoteMeta(ext) + "$")
	dir := filepath.Dir(s.options.path)
	entries, err := fs.ReadDir(s.place.dir.FS(), ".")
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, reason(err))
	}
	var names [][]string // with stamp and number
	for _, e := range entries {
		if parts := ours.FindStringSubmatch(e.Name()); parts != nil && e.Type().IsRegular() {
			names = append(names, parts)
		}
	}
	slices.SortFunc(names, func(a, b []string) int {
		return cmp.Or(model.TrueFirst(b[1] == s.stamp, a[1] == s.stamp), strings.Compare(a[1], b[1]), cmp.Compare(len(a[2]), len(b[2])), strings.Compare(a[2], b[2]))
	})
	for _, parts := range names[:max(0, len(names)-int(s.options.keep))] {
		if err := s.place.dir.Remove(parts[0]); err != nil {
			return fmt.Errorf("delete %s: %w", filepath.Join(dir, parts[0]), reason(err))
		}
	}
	return nil
}

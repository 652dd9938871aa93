package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	// compressedRead is how many bytes of a compressed capture are read at once, and by how
	// many it must be longer than a crafted file to have a long window.
	compressedRead = 128 << 10
	// aheadChunk and aheadChunks bound what is unpacked ahead of the reader:
	// 8 x 64 KiB = 512 KiB, as much as one batch.
	aheadChunk  = 64 << 10
	aheadChunks = 8
	// shortZstdWindow is the largest zstd window that any stream is given: 8 MiB is what
	// RFC 8878 (3.1.1.1.2) expects of every decoder and enough for "zstd -19". Nearly all the memory that
	// unpacking takes is the window; gzip needs 32 KiB, lz4 two blocks of 4 MiB.
	shortZstdWindow = 8 << 20
	// longZstdWindow is the largest that a stream of compressedRead bytes and more is given, as zstd
	// itself does without being told (ZSTD_WINDOWLOG_LIMIT_DEFAULT, 27): it covers "--ultra -22" and "--long", while
	// "--long=31" can ask for 2 GiB.
	longZstdWindow = 128 << 20
)

// codec is a compression that is understood.
type codec struct {
	name string
	// is tells whether data begins as a stream of this compression does.
	is func(data []byte) bool
	// open returns what writes the unpacked bytes of r.
	open func(r *bufio.Reader) (io.WriterTo, error)
}

// codecs are the compressions, told apart by their magic numbers: RFC 1952
// (2.3.1), RFC 8878 (3.1.1, 3.1.2) and lz4_Frame_format.md.
var codecs = []codec{
	{"gzip", begins("\x1f\x8b\x08"), func(r *bufio.Reader) (io.WriterTo, error) {
		return gzip.NewReader(r)
	}},
	{"zstd", isZstd, func(r *bufio.Reader) (io.WriterTo, error) {
		window := zstdWindow(r)
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(window))
	}},
	{"lz4", begins("\x04\x22\x4d\x18"), func(r *bufio.Reader) (io.WriterTo, error) {
		return lz4.NewReader(r), nil
	}},
}

// zstdWindow is the largest window that the stream r may have. A few bytes can ask for a
// window of any size: only what is long enough to use it is given a long one.
func zstdWindow(r *bufio.Reader) uint64 {
	var h zstd.Header
	begin, _ := r.Peek(zstd.HeaderMaxSize) // fewer at the end
	if h.Decode(begin) != nil || h.WindowSize <= shortZstdWindow {
		return shortZstdWindow
	}
	if _, err := r.Peek(compressedRead); err != nil {
		return shortZstdWindow
	}
	return longZstdWindow
}

// isZstd also knows skippable frames, with which parallel compressors begin.
func isZstd(data []byte) bool {
	return begins("\x28\xb5\x2f\xfd")(data) ||
		len(data) >= 4 && data[0]>>4 == 5 && string(data[1:4]) == "\x2a\x4d\x18"
}

// ahead unpacks a stream in a goroutine of its own, some chunks ahead of its reader.
type ahead struct {
	codec string
	// full carries the chunks to the reader and is closed after the last one,
	// when err is set. free carries them back; nil stands for one not made yet.
	full, free chan []byte
	stop       chan struct{}
	err        error
	// chunk is being read, rest is what is left of it.
	chunk, rest []byte
}

// errStopped ends the goroutine when the reader wants no more.
var errStopped = errors.New("stopped")

// unpack begins to unpack r.
func (c *codec) unpack(r io.Reader) *ahead {
	a := &ahead{
		codec: c.name,
		full:  make(chan []byte, aheadChunks),
		free:  make(chan []byte, aheadChunks),
		stop:  make(chan struct{}),
	}
	for range aheadChunks {
		a.free <- nil
	}
	go func() {
		defer close(a.full)
		w, err := c.open(bufio.NewReaderSize(r, compressedRead))
		if err == nil {
			_, err = w.WriteTo(a)
		}
		a.err = err
	}()
	return a
}

// Write takes unpacked bytes and passes them to the reader at once, so that a
// stream that is still being written is not held back. It is called by the
// goroutine that unpacks.
func (a *ahead) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		var chunk []byte
		select {
		case chunk = <-a.free:
		case <-a.stop:
			return n, errStopped
		}
		if chunk == nil {
			chunk = make([]byte, aheadChunk)
		}
		m := copy(chunk[:aheadChunk], p[n:])
		a.full <- chunk[:m] // as many places as chunks: never blocks
		n += m
	}
	return n, nil
}

// Read waits for a chunk, and takes the further ones that are ready.
func (a *ahead) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(a.rest) == 0 && !a.next(n == 0) {
			break
		}
		m := copy(p[n:], a.rest)
		a.rest = a.rest[m:]
		n += m
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	if a.err != nil {
		return 0, a.err
	}
	return 0, io.EOF
}

// next takes the next chunk, if wait is set or one is ready.
func (a *ahead) next(wait bool) bool {
	if a.chunk != nil {
		a.free <- a.chunk
		a.chunk, a.rest = nil, nil
	}
	if !wait {
		select {
		case a.chunk = <-a.full:
		default:
		}
	} else {
		a.chunk = <-a.full
	}
	a.rest = a.chunk
	return a.chunk != nil
}

// close makes the goroutine end, when it has to wait for the reader or for
// nothing at all. It may still hang in a read from a pipe that nobody writes to.
func (a *ahead) close() { close(a.stop) }

// describe says what is wrong with a stream that err has ended.
func (a *ahead) describe(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s stream breaks off", a.codec)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("%s stream needs too long a window: unpack it first, zstd -dc --long=31 FILE | kafkavet analyze -", a.codec)
	}
	return fmt.Errorf("%s stream is damaged: %w", a.codec, err)
}

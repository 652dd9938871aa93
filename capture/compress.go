package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	// compressedRead is how many bytes of a compressed capture are read at once. A zstd stream
	// must also be longer than this to get a long window.
	compressedRead = 128 << 10
	// shortZstdWindow is the largest zstd window for any stream: RFC 8878 (3.1.1.1.2) expects 8
	// MiB of every decoder, and "zstd -19" needs no more. The window is nearly all the memory of
	// decompression. gzip needs 32 KiB, lz4 two blocks of 4 MiB.
	shortZstdWindow = 8 << 20
	// longZstdWindow is the largest window for a stream of at least compressedRead bytes. It is
	// zstd's own default (ZSTD_WINDOWLOG_LIMIT_DEFAULT, 27). It is enough for "--ultra -22" and
	// "--long"; "--long=31" can ask for 2 GiB. It also bounds the windows of all open streams.
	longZstdWindow = 128 << 20
	// leastZstdWindow is the window of any stream: 64 open captures then have 64 MiB.
	leastZstdWindow = 1 << 20
)

// codec is a supported compression.
type codec struct {
	name string
	// is reports whether data begins a stream of this compression.
	is func(data []byte) bool
	// open returns a writer of the decompressed bytes of r. release is called at the end.
	open func(r *bufio.Reader) (w io.WriterTo, release func(), err error)
}

// codecs are the compressions with their magic numbers: RFC 1952 (2.3.1), RFC 8878 (3.1.1,
// 3.1.2) and lz4_Frame_format.md.
var codecs = []codec{
	{"gzip", begins("\x1f\x8b\x08"), func(r *bufio.Reader) (io.WriterTo, func(), error) {
		w, err := gzip.NewReader(r)
		return w, func() {}, err
	}},
	{"zstd", isZstd, func(r *bufio.Reader) (io.WriterTo, func(), error) {
		window, err := zstdWindows.reserve(zstdWindow(r))
		if err != nil {
			return nil, nil, err
		}
		w, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(window))
		if err != nil {
			zstdWindows.release(window)
			return nil, nil, err
		}
		return w, func() {
			w.Close()
			w = nil
			zstdWindows.release(window)
		}, nil
	}},
	{"lz4", begins("\x04\x22\x4d\x18"), func(r *bufio.Reader) (io.WriterTo, func(), error) {
		return lz4.NewReader(r), func() {}, nil
	}},
}

// zstdWindow returns the window that the stream r asks for, 0 if that is unknown. A few bytes can
// ask for a window of any size, so a short stream gets a short one.
func zstdWindow(r *bufio.Reader) uint64 {
	var h zstd.Header
	begin, _ := r.Peek(zstd.HeaderMaxSize) // fewer at the end
	if h.Decode(begin) != nil {
		return 0
	}
	if h.WindowSize > shortZstdWindow {
		if _, err := r.Peek(compressedRead); err != nil {
			return 0
		}
	}
	return h.WindowSize
}

// windowBudget shares longZstdWindow among the open zstd streams of the process.
type windowBudget struct {
	mu    sync.Mutex
	freed sync.Cond
	used  uint64
	// closing counts streams that are closed and still hold their window for a moment.
	closing int
}

var zstdWindows = newWindowBudget()

func newWindowBudget() *windowBudget {
	b := &windowBudget{}
	b.freed.L = &b.mu
	return b
}

// errNoWindow: other open streams have the rest of longZstdWindow.
var errNoWindow = errors.New("no room for the window")

// reserve reserves a window for a stream that asks for asked bytes. While there is room, a short
// window may grow in a later frame.
func (b *windowBudget) reserve(asked uint64) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	window := max(asked, leastZstdWindow)
	if b.used < longZstdWindow/2 {
		window = max(asked, shortZstdWindow)
	}
	if window > longZstdWindow {
		return 0, zstd.ErrWindowSizeExceeded
	}
	for b.used+window > longZstdWindow {
		if b.closing == 0 {
			return 0, errNoWindow
		}
		b.freed.Wait()
	}
	b.used += window
	return window, nil
}

// release returns a window that nothing uses. A long one is collected at once: the next stream may
// need as much.
func (b *windowBudget) release(window uint64) {
	if window > shortZstdWindow {
		debug.FreeOSMemory()
	}
	b.mu.Lock()
	b.used -= window
	b.mu.Unlock()
	b.freed.Broadcast()
}

// close counts a closing stream, n is 1, or that it is over, n is -1.
func (b *windowBudget) close(n int) {
	b.mu.Lock()
	b.closing += n
	b.mu.Unlock()
	b.freed.Broadcast()
}

// isZstd also accepts skippable frames, with which parallel compressors begin.
func isZstd(data []byte) bool {
	return begins("\x28\xb5\x2f\xfd")(data) ||
		len(data) >= 4 && data[0]>>4 == 5 && string(data[1:4]) == "\x2a\x4d\x18"
}

// ahead decompresses a stream in a goroutine while its reader uses the bytes before. Bytes are
// passed on at once, so that a growing file is read without delay.
type ahead struct {
	reader *io.PipeReader
	codec  string
	over   chan struct{} // closed at the end of the goroutine
}

// unpack begins to decompress r.
func (c *codec) unpack(r io.Reader) *ahead {
	reader, writer := io.Pipe()
	a := &ahead{reader, c.name, make(chan struct{})}
	go func() {
		defer close(a.over)
		w, release, err := c.open(bufio.NewReaderSize(r, compressedRead))
		if err == nil {
			_, err = w.WriteTo(writer)
			release()
		}
		_ = writer.CloseWithError(err) // never fails
	}()
	return a
}

// Read leaves out empty writes. lz4 makes one of each empty block.
func (a *ahead) Read(p []byte) (n int, err error) {
	for n == 0 && err == nil && len(p) > 0 {
		n, err = a.reader.Read(p)
	}
	return n, err
}

// close ends the goroutine at its next write. A read from a silent pipe can still block it.
func (a *ahead) close() {
	zstdWindows.close(1)
	_ = a.reader.Close() // never fails
	go func() {
		<-a.over
		zstdWindows.close(-1)
	}()
}

// describe explains the error err of a stream.
func (a *ahead) describe(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s stream breaks off", a.codec)
	case errors.Is(err, errNoWindow):
		return fmt.Errorf("%s stream needs a window of which all open captures together have too much (128 MiB): give fewer files, or unpack them first", a.codec)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("%s stream needs too long a window: unpack it first, zstd -dc --long=31 FILE | kafkavet analyze -", a.codec)
	}
	return fmt.Errorf("%s stream is damaged: %w", a.codec, err)
}

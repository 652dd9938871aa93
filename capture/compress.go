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
	// aheadChunk and aheadChunks bound the bytes decompressed ahead of the reader: 8 x 64 KiB =
	// 512 KiB, as much as one batch.
	aheadChunk  = 64 << 10
	aheadChunks = 8
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

// ahead decompresses a stream in a goroutine, some chunks ahead of its reader.
type ahead struct {
	codec string
	// full carries chunks to the reader. It is closed after the last one, when err is set. free
	// returns chunks; nil stands for one not yet allocated.
	full, free chan []byte
	stop, over chan struct{} // closed by the reader, and at the end of the goroutine
	err        error
	// chunk is being read; unread is its unread part.
	chunk, unread []byte
}

// errStopped ends the goroutine when the reader closes.
var errStopped = errors.New("stopped")

// unpack begins to decompress r.
func (c *codec) unpack(r io.Reader) *ahead {
	a := &ahead{
		codec: c.name,
		full:  make(chan []byte, aheadChunks),
		free:  make(chan []byte, aheadChunks),
		stop:  make(chan struct{}),
		over:  make(chan struct{}),
	}
	for range aheadChunks {
		a.free <- nil
	}
	go func() {
		defer close(a.over)
		defer close(a.full)
		w, release, err := c.open(bufio.NewReaderSize(r, compressedRead))
		if err == nil {
			_, err = w.WriteTo(a)
			release()
		}
		a.err = err
	}()
	return a
}

// Write passes decompressed bytes to the reader at once, so that a growing file is read without
// delay. The decompressing goroutine calls it.
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

// Read waits for one chunk, and also returns further ones that are ready.
func (a *ahead) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(a.unread) == 0 && !a.next(n == 0) {
			break
		}
		m := copy(p[n:], a.unread)
		a.unread = a.unread[m:]
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

// next receives the next chunk, if wait is set or one is ready.
func (a *ahead) next(wait bool) bool {
	if a.chunk != nil {
		a.free <- a.chunk
		a.chunk, a.unread = nil, nil
	}
	if !wait {
		select {
		case a.chunk = <-a.full:
		default:
		}
	} else {
		a.chunk = <-a.full
	}
	a.unread = a.chunk
	return a.chunk != nil
}

// close ends the goroutine at its next write. A read from a silent pipe can still block it.
func (a *ahead) close() {
	zstdWindows.close(1)
	close(a.stop)
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

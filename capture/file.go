package capture

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync/atomic"
)

const (
	// readSize is how many bytes of a capture are read at once, and the usual size of a batch.
	// Measured on a file in the page cache, the time per byte is the same from 128 KiB to 1 MiB.
	// Above, it grows, because the batches in use no longer fit the caches. A batch of 512 KiB
	// holds 340 packets of 1,500 bytes or 5,000 of 100.
	readSize = 512 << 10
	// maxBatchPackets bounds the packets of a batch: 2,048 of 72 bytes are 144 KiB.
	maxBatchPackets = 2048
	// minBatchPackets is the first capacity of a batch.
	minBatchPackets = 512
	// maxPacket bounds the captured length of a packet: four times tcpdump's largest snapshot
	// length (256 KiB), and twice Linux' largest packet (BIG TCP, 512 KiB).
	maxPacket = 1 << 20
	// maxFileLinks bounds the different link types of one capture: the registry has about 200, a
	// real capture fewer than ten.
	maxFileLinks = 64
	// maxInfoInterfaces bounds the interfaces in a capture's Info: 1,024 of 32 bytes and a name
	// of at most 256 are 288 KiB.
	maxInfoInterfaces = 1024
	// maxInterfaceName bounds the bytes kept of an interface's name.
	maxInterfaceName = 256
	// maxEmptyReads is how often a reader may return no bytes and no error before it counts as
	// broken (as in package bufio).
	maxEmptyReads = 100
)

// parser parses one capture format.
type parser interface {
	// parse appends the packets in data to b, up to maxBatchPackets. data begins where the last
	// call ended. It returns the number of bytes that it used; the others are in the next call's
	// data, with more after them. used is more than len(data) to skip bytes that were not read
	// yet.
	parse(data []byte, b *Batch) (used int64, err error)
	// torn describes the incomplete record at the end of a capture, nil if it is complete.
	// unused are the bytes not used, end is the length of the capture.
	torn(unused []byte, end int64) error
}

// records is what the parsers collect about a capture.
type records struct {
	info *Info
	// capture is the index of info.
	capture uint32
	// shift is Info.ClockOffset.
	shift int64
	// offset is where in the (decompressed) capture the data of a parse call begins.
	offset int64
	// last is the timestamp of the previous packet; timed is set if there was one.
	last  int64
	timed bool
	// secrets receives the text of decryption secrets blocks; nil to skip it.
	secrets func(Secret)
}

const (
	// openingPackets and openingBytes bound the packets in Info.Opening and the bytes of each: the
	// headers of 64 packets, hashed in 20 microseconds.
	openingPackets = 64
	openingBytes   = 256
)

// open adds the captured bytes of a packet to Info.Opening, with FNV-1a. Of an interface only the
// first packet counts, so that Opening never changes while packets arrive.
func (r *records) open(data []byte) {
	if r.info.Packets > 1 && r.info.Format == formatLive {
		return
	}
	for _, b := range data[:min(len(data), openingBytes)] {
		r.info.Opening = (r.info.Opening ^ uint64(b)) * 0x100000001b3
	}
}

// add appends a packet with the captured bytes data to b.
func (r *records) add(b *Batch, data []byte, length uint32, at int64, link LinkType, iface uint32) {
	info := r.info
	info.Packets++
	info.Bytes += uint64(len(data))
	if info.Packets <= openingPackets {
		r.open(data)
	}
	if length > uint32(len(data)) {
		info.Truncated++
	} else {
		length = uint32(len(data))
	}
	n := len(b.Packets)
	if n == cap(b.Packets) {
		b.Packets = slices.Grow(b.Packets, n+minBatchPackets)
	}
	b.Packets = b.Packets[:n+1]
	p := &b.Packets[n] // filled in place, to avoid a copy
	p.Frame, p.Time, p.Capture = info.Packets, at+r.shift, r.capture
	p.Data, p.Length, p.Link, p.Interface, p.Process = data, length, link, iface, nil
}

// at records the time of a packet.
func (r *records) at(t int64) {
	r.last = t
	if !r.timed {
		r.timed = true
		r.info.First, r.info.Last = t, t
		return
	}
	r.info.First = min(r.info.First, t)
	r.info.Last = max(r.info.Last, t)
}

// addLinkType records a link type. A capture with too many is refused.
func (r *records) addLinkType(l LinkType) error {
	if slices.Contains(r.info.LinkTypes, l) {
		return nil
	}
	if len(r.info.LinkTypes) == maxFileLinks {
		return fmt.Errorf("more than %d link types", maxFileLinks)
	}
	r.info.LinkTypes = append(r.info.LinkTypes, l)
	return nil
}

// addInterface records an interface, in the order of Packet.Interface.
func (r *records) addInterface(i Interface) {
	if len(r.info.Interfaces) < maxInfoInterfaces {
		r.info.Interfaces = append(r.info.Interfaces, i)
	}
}

// errorAt returns an error about the packet at pos in the data of the parse call.
func (r *records) errorAt(pos int, format string, args ...any) error {
	return fmt.Errorf("packet %d at offset %d: "+format,
		append([]any{r.info.Packets + 1, r.offset + int64(pos)}, args...)...)
}

type file struct {
	records
	// parser is nil after the end, and after an error.
	parser parser
	// raw is the input as on disk, src the decompressed input.
	raw *counter
	src io.Reader
	// ahead is src of a compressed capture.
	ahead *ahead
	// closer closes raw; nil for standard input.
	closer io.Closer
	// tail holds bytes that were read and not used yet.
	tail []byte
	// skip is how many bytes to read and discard.
	skip int64
	// end is the last read's error: io.EOF, or another one.
	end error
	// readSize is the size of a batch's memory.
	readSize int
}

// counter counts the bytes read and keeps the first error except io.EOF.
type counter struct {
	r io.Reader
	// n counts the bytes of this reader, read those of all files. A decompressor reads in a
	// goroutine of its own.
	n    atomic.Int64
	read *atomic.Int64
	err  error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	c.read.Add(int64(n))
	if err != nil && err != io.EOF && c.err == nil {
		c.err = Cause(err)
	}
	return n, err
}

// fill puts the next packets into b and returns as soon as there are some. It returns false,
// with none, at the end of the capture. An error is then in the Info.
func (f *file) fill(b *Batch) bool {
	b.Packets = b.Packets[:0]
	if f.parser == nil {
		return false
	}
	b.room(max(f.readSize, len(f.tail)), 0)
	data := b.buf[:copy(b.buf, f.tail)]
	f.tail = f.tail[:0]
	for {
		rest, err := f.parseData(data, b)
		if err != nil {
			// The bytes after an error have no known structure. The packets before it count.
			f.fail(err)
			return len(b.Packets) > 0
		}
		if len(b.Packets) > 0 {
			f.tail = append(f.tail, rest...)
			return true
		}
		if f.end != nil {
			f.finish(rest)
			return false
		}
		// No packet uses the memory yet, so the unused bytes can move to its front.
		n := copy(b.buf, rest)
		if n == len(b.buf) {
			b.room(2*n, n)
		}
		data = b.buf[:n+f.read(b.buf[n:])]
	}
}

// room makes b.buf at least size bytes long and keeps its first n.
func (b *Batch) room(size, n int) {
	if len(b.buf) >= size {
		return
	}
	buf := make([]byte, size)
	copy(buf, b.buf[:n])
	b.buf = buf
}

// parseData parses data and returns the unused part.
func (f *file) parseData(data []byte, b *Batch) ([]byte, error) {
	if f.skip > 0 {
		n := min(f.skip, int64(len(data)))
		f.skip -= n
		data = data[n:]
	}
	used, err := f.parser.parse(data, b)
	f.offset += used
	if n := int64(len(data)); used > n {
		f.skip, used = used-n, n
	}
	return data[used:], err
}

// read reads into p and returns the number of bytes; if it is 0, end is set.
func (f *file) read(p []byte) int {
	for range maxEmptyReads {
		n, err := f.src.Read(p)
		f.end = err
		if n > 0 || err != nil {
			return n
		}
	}
	f.end = io.ErrNoProgress
	return 0
}

// finish records how the capture ended; unused are the bytes not used.
func (f *file) finish(rest []byte) {
	end := f.offset + int64(len(rest)) - f.skip
	err := f.end
	if f.raw.err != nil {
		err = f.raw.err
	}
	switch {
	case err == io.EOF:
		if torn := f.parser.torn(rest, end); torn != nil {
			f.info.Torn = readError(f.info.Path, torn)
		}
	case f.ahead != nil && f.raw.err == nil:
		f.info.Torn = readError(f.info.Path, f.after(end, f.ahead.describe(err)))
	default:
		f.fail(f.after(end, err))
	}
	f.parser = nil
}

// after adds to err how far the capture was read.
func (f *file) after(offset int64, err error) error {
	return fmt.Errorf("after packet %d at offset %d: %w", f.info.Packets, offset, err)
}

// fail ends the capture with an error.
func (f *file) fail(err error) {
	f.info.Err = readError(f.info.Path, err)
	f.parser = nil
}

func (f *file) close() error {
	if f.ahead != nil {
		f.ahead.close()
	}
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

func readError(path string, err error) error {
	return fmt.Errorf("read capture %s: %w", path, err)
}

// Cause removes the operation and the path that package os adds to an error.
func Cause(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

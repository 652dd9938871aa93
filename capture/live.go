package capture

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
)

// AnyInterface is the name under which all interfaces are watched at once.
const AnyInterface = "any"

// Bounds and defaults of a live capture.
const (
	// DefaultSnapLen is how many bytes of a packet are kept unless told
	// otherwise, as in tcpdump: four of the largest packets that receive offload
	// makes without BIG TCP (64 KiB).
	DefaultSnapLen = 262144
	// MinSnapLen holds the headers of most packets: SLL2 (20) and a tag (4),
	// IPv6 (40), TCP with options (60).
	MinSnapLen = 124
	// DefaultBuffer is the size of the ring in bytes: at 150 MB/s of packets
	// it covers 110 ms in which nobody reads, and is a quarter of the memory
	// that kafkavet allows itself (64 MB).
	DefaultBuffer = 16 << 20
	// MinBuffer is 16 blocks of 128 KiB, each large enough for a packet of 64 KiB.
	MinBuffer = 2 << 20
	// MaxBuffer is far more than helps: at 10 Gbit/s a ring of 1 GiB fills in 0.9 s.
	MaxBuffer = 1 << 30

	// livePause is the longest time that Next waits for packets.
	livePause = 100 * time.Millisecond
)

// LiveOptions say what is captured on which interface.
type LiveOptions struct {
	// Interface is the name of the interface; AnyInterface for all of them,
	// those that appear later included.
	Interface string
	// SnapLen is how many bytes of a packet are kept, link-layer header
	// included; 0 is DefaultSnapLen.
	SnapLen int
	// BufferBytes is the size of the ring that the kernel writes packets to,
	// rounded down to whole blocks; 0 is DefaultBuffer.
	BufferBytes int
	// Promiscuous asks the interface for packets to other hosts, too. It
	// does not apply to AnyInterface.
	Promiscuous bool
	// Filter says which packets are let through by the kernel: those that
	// carry, or might carry, a segment that Filter.Match accepts. Of these,
	// tunnels, fragments and IPv6 extension headers are left for Match to
	// decide. The zero value lets all TCP pass.
	Filter Filter
	// BPF, if not empty, is what the kernel filters with instead of Filter: a
	// classic BPF program for Ethernet, or for LINUX_SLL2 where the interface
	// is AnyInterface or has no Ethernet header. See ReadBPF.
	BPF []bpf.RawInstruction
	// Warn takes what the user should know while the capture goes on: the
	// interface went down, or came back. It is called by the goroutine that calls
	// OpenLive or Next. May be nil.
	Warn func(error)
}

// complete fills in defaults and tells what cannot be.
func (o *LiveOptions) complete() error {
	if o.SnapLen == 0 {
		o.SnapLen = DefaultSnapLen
	}
	if o.BufferBytes == 0 {
		o.BufferBytes = DefaultBuffer
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	switch {
	case o.Interface == "":
		return errors.New("no interface to watch")
	case strings.ContainsRune(o.Interface, 0):
		return fmt.Errorf("watch %q: %w", o.Interface, errNoInterface)
	case o.SnapLen < MinSnapLen || o.SnapLen > DefaultSnapLen:
		return fmt.Errorf("snapshot length %d: must be from %d to %d bytes", o.SnapLen, MinSnapLen, DefaultSnapLen)
	case o.BufferBytes < MinBuffer || o.BufferBytes > MaxBuffer:
		return fmt.Errorf("buffer of %d bytes: must be from %d to %d MiB", o.BufferBytes, MinBuffer>>20, MaxBuffer>>20)
	case o.Promiscuous && o.Interface == AnyInterface:
		return errors.New("promiscuous: needs one interface, not any")
	}
	return nil
}

var errNoInterface = errors.New("there is no such interface; kafkavet interfaces lists them")

// LiveStats counts what a live capture has seen so far.
type LiveStats struct {
	// Packets and Bytes count what Next has returned; bytes as captured.
	Packets, Bytes uint64
	// Dropped counts packets that passed the filter and were lost because the
	// ring was full, or, with libpcap, by the interface.
	Dropped uint64
}

// Live is a Source of packets as they pass an interface. Its packets stay
// valid until their batch is filled again, also after Close; the batches must
// be used with no other Source.
//
// Next belongs to one goroutine; Captures, Stats and Close may be called by any.
type Live struct {
	// next is held while packets are read, and by Close when none are any more.
	next    sync.Mutex
	tap     tap
	records records
	closed  atomic.Bool

	// shown is what Captures returns, guarded by mu.
	mu    sync.Mutex
	shown Info

	packets, bytes, dropped atomic.Uint64
}

var _ Source = (*Live)(nil)

// tap is how packets are captured on one operating system.
type tap interface {
	// fill adds packets to b, which is empty, and waits for the first one for
	// livePause at most, or until wake is called.
	fill(r *records, b *Batch) error
	// drops is how many packets were lost since it was called last.
	drops() uint64
	// wake ends the waiting of fill. It may be called from any goroutine.
	wake()
	close() error
}

// OpenLive begins to capture. Nothing passes unfiltered: the filter is in place
// before the first packet. An interface that exists but is down is waited for.
func OpenLive(opt LiveOptions) (*Live, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	t, link, err := openTap(&opt)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", opt.Interface, err)
	}
	info := Info{
		Path: opt.Interface, Format: "live", LinkTypes: []LinkType{link},
		Interfaces: []Interface{{Name: opt.Interface, Link: link, SnapLen: uint32(opt.SnapLen), Resolution: nanoExponent}},
	}
	return &Live{tap: t, shown: info, records: records{info: &info}}, nil
}

// Next implements Source. It returns io.EOF once Close was called. An
// interface that is gone or down is no error: it is waited for.
func (l *Live) Next(b *Batch) error {
	b.free()
	l.next.Lock()
	defer l.next.Unlock()
	if l.closed.Load() {
		return io.EOF
	}
	if err := l.tap.fill(&l.records, b); err != nil {
		b.free()
		return fmt.Errorf("watch %s: %w", l.records.info.Path, err)
	}
	l.publish()
	return nil
}

// publish makes what was counted visible to other goroutines.
func (l *Live) publish() {
	info := l.records.info
	info.Dropped += l.tap.drops()
	l.packets.Store(info.Packets)
	l.bytes.Store(info.Bytes)
	l.dropped.Store(info.Dropped)
	l.mu.Lock()
	l.shown = *info
	l.mu.Unlock()
}

// Captures implements Source. The Info is that of the packets returned so far.
func (l *Live) Captures() []Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	info := l.shown
	info.LinkTypes = slices.Clone(info.LinkTypes)
	info.Interfaces = slices.Clone(info.Interfaces)
	return []Info{info}
}

// Stats tells what was captured and lost up to the last call of Next, or Close.
func (l *Live) Stats() LiveStats {
	return LiveStats{Packets: l.packets.Load(), Bytes: l.bytes.Load(), Dropped: l.dropped.Load()}
}

// Close ends the capture. A Next that waits returns within a moment.
func (l *Live) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	l.tap.wake()
	l.next.Lock()
	defer l.next.Unlock()
	l.publish()
	return l.tap.close()
}

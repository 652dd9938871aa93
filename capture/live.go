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

// AnyInterface is the name that captures on all interfaces.
const AnyInterface = "any"

// Limits and defaults of a live capture.
const (
	// DefaultSnapLen is the default snapshot length, as in tcpdump: four of the largest packets
	// of receive offload without BIG TCP (64 KiB).
	DefaultSnapLen = 262144
	// MinSnapLen is enough for the headers of most packets: SLL2 (20) and a tag (4), IPv6 (40),
	// TCP with options (60).
	MinSnapLen = 124
	// DefaultBuffer is the size of the ring in bytes. At 150 MB/s of packets it covers 110 ms
	// without a read. It is a quarter of the memory budget of kafkavet (64 MB).
	DefaultBuffer = 16 << 20
	// MinBuffer is 16 blocks of 128 KiB, each large enough for a packet of 64 KiB.
	MinBuffer = 2 << 20
	// MaxBuffer is more than any capture needs: at 10 Gbit/s a ring of 1 GiB fills in 0.9 s.
	MaxBuffer = 1 << 30

	// livePause is the longest time that Next waits for packets.
	livePause = 100 * time.Millisecond
)

// LiveOptions configure a live capture.
type LiveOptions struct {
	// Interface is the name of the interface; AnyInterface for all of them, also those that
	// appear later.
	Interface string
	// SnapLen is how many bytes of a packet are captured, with the link-layer header; 0 is
	// DefaultSnapLen.
	SnapLen int
	// BufferBytes is the size of the kernel's ring, rounded down to complete blocks; 0 is
	// DefaultBuffer.
	BufferBytes int
	// Promiscuous also captures packets to other hosts. It does not apply to AnyInterface.
	Promiscuous bool
	// Filter selects the packets that the kernel accepts: those that contain, or can contain, a
	// segment that Filter.Match accepts. For tunnels, fragments and IPv6 extension headers,
	// Match decides later. The zero value accepts all TCP.
	Filter Filter
	// BPF, if not empty, replaces Filter in the kernel. It is a classic BPF program for
	// Ethernet, or for LINUX_SLL2 if the interface is AnyInterface or has no Ethernet header.
	// See ReadBPF.
	BPF []bpf.RawInstruction
	// Warn receives warnings during the capture: the interface went down, or came back. The
	// goroutine that calls OpenLive or Next calls it. May be nil.
	Warn func(error)
}

// complete sets defaults and returns an error for invalid options.
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

// Live is a Source of packets from an interface. Its packets stay valid until their batch is
// filled again, also after Close. A batch must not be used with another Source.
//
// One goroutine calls Next; any goroutine may call Captures and Close.
type Live struct {
	// next is held during Next, and by Close at the end.
	next    sync.Mutex
	tap     tap
	records records
	closed  atomic.Bool

	// shown is what Captures returns, guarded by mu.
	mu    sync.Mutex
	shown Info
}

var _ Source = (*Live)(nil)

// tap captures packets on one operating system.
type tap interface {
	// fill adds packets to the empty batch b. It waits at most livePause for the first one, or
	// until wake is called.
	fill(r *records, b *Batch) error
	// drops returns how many packets were dropped since the last call.
	drops() uint64
	// wake ends the waiting of fill. Any goroutine may call it.
	wake()
	close() error
}

// formatLive is the Info.Format of an interface.
const formatLive = "live"

// OpenLive begins to capture. The filter is active before the first packet. If an interface is
// down, OpenLive does not fail, and Next waits for it.
func OpenLive(opt LiveOptions) (*Live, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	t, link, err := openTap(&opt)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", opt.Interface, err)
	}
	info := Info{
		Path: opt.Interface, Format: formatLive, LinkTypes: []LinkType{link},
		Interfaces: []Interface{{Name: opt.Interface, Link: link, SnapLen: uint32(opt.SnapLen), Resolution: nanoExponent}},
	}
	return &Live{tap: t, shown: info, records: records{info: &info}}, nil
}

// Next implements Source. It returns io.EOF after Close. If the interface is removed or down,
// Next returns no error and waits for it.
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

// publish makes the counts visible to other goroutines.
func (l *Live) publish() {
	info := l.records.info
	info.Dropped += l.tap.drops()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown = *info
}

// Captures implements Source. The Info covers the packets up to the last call of Next or Close. Its
// drops are packets that passed the filter and for which the ring, or libpcap's interface, had no
// room.
func (l *Live) Captures() []Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	info := l.shown
	info.LinkTypes = slices.Clone(info.LinkTypes)
	info.Interfaces = slices.Clone(info.Interfaces)
	return []Info{info}
}

// Close ends the capture. It also ends a waiting Next.
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

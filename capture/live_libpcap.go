//go:build libpcap

package capture

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/gopacket"
	libpcap "github.com/google/gopacket/pcap"
	"golang.org/x/net/bpf"
)

const (
	// libpcapPause is how long libpcap holds packets back. It is shorter than
	// livePause, so that a batch is complete within that.
	libpcapPause = 40 * time.Millisecond
	// reopenEvery is how often an interface that went away is tried again.
	reopenEvery = time.Second
	// clockEvery is after how many packets fill looks at the clock.
	clockEvery = 64
)

// libpcapTap captures with libpcap, on every system that has it.
type libpcapTap struct {
	opt    *LiveOptions
	handle *libpcap.Handle
	link   LinkType
	woken  atomic.Bool
	// lost is what the statistics of handle said last, gone what was lost on
	// handles before and not told yet.
	lost int
	gone uint64
	// tried is when it was last tried to open the interface; handle is nil while it is away.
	tried time.Time
}

// openTap opens an interface with libpcap.
func openTap(opt *LiveOptions) (tap, LinkType, error) {
	handle, err := activate(opt)
	if err != nil {
		return nil, 0, err
	}
	// gopacket's type for it has 8 bits. Those above that libpcap chooses by
	// itself are not supported, and the rest of their numbers no others.
	link := registered(int(handle.LinkType()))
	t := &libpcapTap{opt: opt, handle: handle, link: link}
	if err := t.filter(); err != nil {
		handle.Close()
		return nil, 0, err
	}
	return t, link, nil
}

// activate opens a handle as the options say.
func activate(opt *LiveOptions) (*libpcap.Handle, error) {
	inactive, err := libpcap.NewInactiveHandle(opt.Interface)
	if err != nil {
		return nil, fmt.Errorf("open with libpcap: %w", err)
	}
	defer inactive.CleanUp()
	for _, set := range []struct {
		what string
		err  error
	}{
		{"snapshot length", inactive.SetSnapLen(opt.SnapLen)},
		{"promiscuous mode", inactive.SetPromisc(opt.Promiscuous)},
		{"timeout", inactive.SetTimeout(libpcapPause)},
		{"buffer", inactive.SetBufferSize(opt.BufferBytes)},
	} {
		if set.err != nil {
			return nil, fmt.Errorf("set %s: %w", set.what, set.err)
		}
	}
	handle, err := inactive.Activate()
	switch {
	case err == nil:
		return handle, nil
	// gopacket's errors have no names.
	case err.Error() == "Permission Denied":
		return nil, missingRights()
	case err.Error() == "No Such Device":
		return nil, errNoInterface
	}
	return nil, fmt.Errorf("open with libpcap: %w", err)
}

// registered is the number in the registry of what libpcap calls a link type
// on this system (DLT_); they differ for raw IP only.
func registered(dlt int) LinkType {
	if dlt == int(LinkTypeRawDLT12) || dlt == int(LinkTypeRawDLT14) {
		return LinkTypeRaw
	}
	return LinkType(dlt)
}

// filter sets the filter. libpcap sees to it that packets from before are not let through.
func (t *libpcapTap) filter() error {
	program := t.opt.BPF
	if len(program) == 0 {
		layout, ok := frameOf(t.link)
		if !ok {
			return fmt.Errorf("link type %s is not supported", t.link)
		}
		var err error
		if program, err = t.opt.Filter.compile(layout, uint32(t.opt.SnapLen), false); err != nil {
			return err
		}
	}
	return t.set(program)
}

func (t *libpcapTap) set(program []bpf.RawInstruction) error {
	code := make([]libpcap.BPFInstruction, len(program))
	for i, p := range program {
		code[i] = libpcap.BPFInstruction{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	if err := t.handle.SetBPFInstructionFilter(code); err != nil {
		return fmt.Errorf("set a filter of %d instructions: %w", len(code), err)
	}
	return nil
}

// fill implements tap. Packets are copied: libpcap keeps them for one call only.
func (t *libpcapTap) fill(records *records, b *Batch) error {
	if t.handle == nil && !t.reopen() {
		return nil
	}
	b.room(max(readSize, t.opt.SnapLen), 0)
	until := time.Now().Add(livePause - libpcapPause)
	for used := 0; !t.woken.Load() && len(b.Packets) < maxBatchPackets && len(b.buf)-used >= t.opt.SnapLen; {
		data, ci, err := t.handle.ZeroCopyReadPacketData()
		switch {
		case errors.Is(err, libpcap.NextErrorTimeoutExpired):
			if len(b.Packets) > 0 || time.Now().After(until) {
				return nil
			}
			continue
		case err != nil:
			t.leave(err)
			return nil
		}
		used += t.keep(records, b, used, data, ci)
		if len(b.Packets)%clockEvery == 0 && time.Now().After(until) {
			return nil
		}
	}
	return nil
}

// leave closes an interface that cannot be read any more.
func (t *libpcapTap) leave(why error) {
	t.gone += t.drops()
	t.handle.Close()
	t.handle, t.lost, t.tried = nil, 0, time.Now()
	t.opt.Warn(fmt.Errorf("interface %s is gone or down (%w); waiting for it", t.opt.Interface, why))
}

// reopen tries to open an interface again that was left.
func (t *libpcapTap) reopen() bool {
	if time.Since(t.tried) < reopenEvery {
		time.Sleep(libpcapPause)
		return false
	}
	t.tried = time.Now()
	handle, err := activate(t.opt)
	if err != nil {
		return false
	}
	t.handle = handle
	if registered(int(handle.LinkType())) != t.link || t.filter() != nil {
		t.handle.Close()
		t.handle = nil
		return false
	}
	t.opt.Warn(fmt.Errorf("interface %s is back", t.opt.Interface))
	return true
}

// keep copies a packet into b and returns how many bytes it took.
func (t *libpcapTap) keep(records *records, b *Batch, used int, data []byte, ci gopacket.CaptureInfo) int {
	n := copy(b.buf[used:], data[:min(len(data), t.opt.SnapLen)])
	at := ci.Timestamp.UnixNano()
	records.add(b, b.buf[used:used+n:used+n], uint32(max(ci.Length, n)), at, t.link, 0)
	records.at(at)
	return n
}

// drops implements tap.
func (t *libpcapTap) drops() uint64 {
	before := t.gone
	t.gone = 0
	if t.handle == nil {
		return before
	}
	stats, err := t.handle.Stats()
	if err != nil {
		return before
	}
	lost := stats.PacketsDropped + stats.PacketsIfDropped
	fresh := lost - t.lost
	t.lost = lost
	return before + uint64(max(fresh, 0)) // the counters have 32 bits and begin anew
}

// wake implements tap: fill looks at it each libpcapPause.
func (t *libpcapTap) wake() { t.woken.Store(true) }

// close implements tap.
func (t *libpcapTap) close() error {
	if t.handle != nil {
		t.handle.Close()
	}
	return nil
}

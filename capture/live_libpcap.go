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
	// libpcapPause is how long libpcap delays packets. It is shorter than livePause, so that a
	// batch is complete within that time.
	libpcapPause = 40 * time.Millisecond
	// reopenEvery is how often a removed interface is opened again.
	reopenEvery = time.Second
	// clockEvery is the number of packets after which fill reads the clock.
	clockEvery = 64
)

type libpcapTap struct {
	opt    *LiveOptions
	handle *libpcap.Handle
	link   LinkType
	woken  atomic.Bool
	// lost are the drops in the last statistics of handle, earlier those of previous handles not
	// returned yet.
	lost    int
	earlier uint64
	// tried is the time of the last attempt to open the interface; handle is nil while it is
	// down or removed.
	tried time.Time
}

func openTap(opt *LiveOptions) (tap, LinkType, error) {
	handle, err := activate(opt)
	if err != nil {
		return nil, 0, err
	}
	// gopacket's link type has 8 bits. libpcap never chooses a supported link type above that.
	link := registered(int(handle.LinkType()))
	t := &libpcapTap{opt: opt, handle: handle, link: link}
	if err := t.filter(); err != nil {
		handle.Close()
		return nil, 0, err
	}
	return t, link, nil
}

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

// registered returns the registered number of libpcap's link type (DLT_). They differ only for
// raw IP.
func registered(dlt int) LinkType {
	if dlt == int(LinkTypeRawDLT12) || dlt == int(LinkTypeRawDLT14) {
		return LinkTypeRaw
	}
	return LinkType(dlt)
}

// filter sets the filter. libpcap discards packets that arrived before it.
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

// fill implements tap. It copies packets, because libpcap keeps them only until the next call.
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

// leave closes an interface that can no longer be read.
func (t *libpcapTap) leave(why error) {
	t.earlier += t.drops()
	t.handle.Close()
	t.handle, t.lost, t.tried = nil, 0, time.Now()
	t.opt.Warn(fmt.Errorf("interface %s was removed or is down (%w); waiting for it", t.opt.Interface, why))
}

// reopen tries to open the interface again.
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

// keep copies a packet into b and returns its length there.
func (t *libpcapTap) keep(records *records, b *Batch, used int, data []byte, ci gopacket.CaptureInfo) int {
	n := copy(b.buf[used:], data[:min(len(data), t.opt.SnapLen)])
	at := ci.Timestamp.UnixNano()
	records.add(b, b.buf[used:used+n:used+n], uint32(max(ci.Length, n)), at, t.link, 0)
	records.at(at)
	return n
}

// drops implements tap.
func (t *libpcapTap) drops() uint64 {
	before := t.earlier
	t.earlier = 0
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
	return before + uint64(max(fresh, 0)) // the counters have 32 bits and wrap
}

// wake implements tap: fill checks woken each libpcapPause.
func (t *libpcapTap) wake() { t.woken.Store(true) }

// close implements tap.
func (t *libpcapTap) close() error {
	if t.handle != nil {
		t.handle.Close()
	}
	return nil
}

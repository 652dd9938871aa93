package main

import (
	"net/netip"
	"sync"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report/model"
)

// maxOwned bounds the connections whose processes are kept: 16,384 of some 300 bytes are 5 MiB.
// When it is reached, the oldest half is dropped. The clients of the report already have their
// processes by then.
const maxOwned = 1 << 14

// processes are the processes at the ends of connections. Any goroutine may call them.
type processes struct {
	mu    sync.Mutex
	known map[uint32][]owner
	// oldest are the stream numbers in order of arrival.
	oldest []uint32
}

type owner struct {
	end netip.AddrPort
	model.Process
}

func newProcesses() *processes { return &processes{known: map[uint32][]owner{}} }

// at implements report.ProcessAt.
func (p *processes) at(stream uint32, end netip.AddrPort) (model.Process, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.known[stream] {
		if o.end.Port() == end.Port() && o.end.Addr() == end.Addr().Unmap() {
			return o.Process, true
		}
	}
	return model.Process{}, false
}

// add records the process at one end of a connection, unless one is known.
func (p *processes) add(stream uint32, end netip.AddrPort, process model.Process) {
	if _, ok := p.at(stream, end); ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known[stream]) == 0 {
		if len(p.oldest) >= maxOwned {
			for _, old := range p.oldest[:maxOwned/2] {
				delete(p.known, old)
			}
			p.oldest = append(p.oldest[:0], p.oldest[maxOwned/2:]...)
		}
		p.oldest = append(p.oldest, stream)
	}
	p.known[stream] = append(p.known[stream], owner{netip.AddrPortFrom(end.Addr().Unmap(), end.Port()), process})
}

// packet records the process in a packet's comment. It belongs to the reading goroutine.
func (p *processes) packet(stream uint32, packet *capture.Packet, s *capture.Segment) {
	if packet.Process == nil {
		return
	}
	from, to := ends(s)
	end := from
	if packet.Process.IsReceiver {
		end = to
	}
	p.add(stream, end, model.Process(packet.Process.Process))
}

func ends(s *capture.Segment) (from, to netip.AddrPort) {
	return netip.AddrPortFrom(netip.AddrFrom16(s.Src).Unmap(), s.SrcPort), netip.AddrPortFrom(netip.AddrFrom16(s.Dst).Unmap(), s.DstPort)
}

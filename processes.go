package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

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

const (
	// maxAsked bounds the connections that wait for their lookup. Others are not looked up, and the report
	// names no process for them.
	maxAsked = 1024
	// askedWait is how long the end of a capture waits for lookups.
	askedWait = 500 * time.Millisecond
	// lookupArgument, instead of a command, makes the program look up processes. Users never type
	// it.
	lookupArgument = "__processes"
)

// question asks for the processes of a connection of this host, as a line of JSON like answer.
type question struct {
	Stream uint32            `json:"stream"`
	Ends   [2]netip.AddrPort `json:"ends"`
}

// processAnswer is the process at one end of a connection. The first may have a Note instead: what
// cannot be looked up.
type processAnswer struct {
	Stream  uint32         `json:"stream"`
	End     netip.AddrPort `json:"end"`
	Process model.Process  `json:"process"`
	Note    string         `json:"note,omitempty"`
}

// processLookup asks another process for the processes at the ends of connections. Only the other
// process has the rights for it. The capturing process must not have them: a packet may take
// control of it.
type processLookup struct {
	questions chan question
	// next is the first connection not asked for. It belongs to the reading goroutine.
	next uint32
	done sync.WaitGroup
}

// newAsker writes questions to to and reads answers from from. It closes to at the end. note
// receives what cannot be looked up.
func newAsker(known *processes, to io.WriteCloser, from io.Reader, note func(string)) *processLookup {
	a := &processLookup{questions: make(chan question, maxAsked)}
	go func() { // the other process may wait for a file system
		defer to.Close()
		lines := json.NewEncoder(to)
		for q := range a.questions {
			if lines.Encode(q) != nil {
				return // the other process has ended: the queue fills up, and later questions are dropped
			}
		}
	}()
	a.done.Go(func() {
		for lines := bufio.NewScanner(from); lines.Scan(); {
			var found processAnswer
			switch err := json.Unmarshal(lines.Bytes(), &found); {
			case err != nil:
				return
			case found.Note != "":
				note(found.Note)
			default:
				known.add(found.Stream, found.End, found.Process)
			}
		}
	})
	return a
}

// packet asks for a connection's processes at its first packet, on the reading goroutine.
func (a *processLookup) packet(stream uint32, s *capture.Segment) {
	if stream < a.next {
		return
	}
	a.next = stream + 1
	from, to := ends(s)
	select {
	case a.questions <- question{stream, [2]netip.AddrPort{from, to}}:
	default:
	}
}

// wait waits for outstanding answers, at most askedWait. packet must not be called after it.
func (a *processLookup) wait() {
	close(a.questions)
	done := make(chan struct{})
	go func() { a.done.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(askedWait):
	}
}

// answerQuestions answers the questions of r until its end. An invalid question ends it.
func answerQuestions(r io.Reader, w io.Writer, find func(question) []processAnswer) error {
	out := json.NewEncoder(w)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return fmt.Errorf("look up processes: %w", err)
		}
		for _, found := range find(q) {
			if err := out.Encode(found); err != nil {
				return fmt.Errorf("look up processes: %w", err)
			}
		}
	}
	return lines.Err()
}

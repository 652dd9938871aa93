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

const (
	// maxAsked bounds the connections that wait for their lookup. Others are not looked up.
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

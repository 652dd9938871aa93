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
	// maxAsked bounds the connections that wait for their lookup. Further ones are not looked up.
	maxAsked = 1024
	// askedWait is how long the end of a capture waits for lookups.
	askedWait = 500 * time.Millisecond
	// lookupArgument, in the place of a command, makes the program look up processes. Users do not type it.
	lookupArgument = "__processes"
)

// question asks for the processes of a connection of this host. It is a line of JSON, as is answer.
type question struct {
	Stream uint32            `json:"stream"`
	Ends   [2]netip.AddrPort `json:"ends"`
}

// answer is the process at one end of a connection. Note says at the beginning what cannot be looked up.
type answer struct {
	Stream  uint32         `json:"stream"`
	End     netip.AddrPort `json:"end"`
	Process model.Process  `json:"process"`
	Note    string         `json:"note,omitempty"`
}

// asker asks another process, which has the rights for it, for the processes at the ends of connections. The capturing
// process needs no such right: it may be taken over by a packet.
type asker struct {
	known     *processes
	questions chan question
	// next is the first connection that was not asked for. It belongs to the reading goroutine.
	next uint32
	done sync.WaitGroup
}

// newAsker asks through to and reads the answers from from. It closes to at the end. note takes what cannot be looked up.
func newAsker(known *processes, to io.WriteCloser, from io.Reader, note func(string)) *asker {
	a := &asker{known: known, questions: make(chan question, maxAsked)}
	go func() { // the other process may wait for a file system
		defer to.Close()
		lines := json.NewEncoder(to)
		for q := range a.questions {
			if lines.Encode(q) != nil {
				return // the other process is gone: the queue fills up, and nothing is asked any more
			}
		}
	}()
	a.done.Go(func() {
		for lines := bufio.NewScanner(from); lines.Scan(); {
			var found answer
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

// packet asks for the ends of a connection when its first packet is seen. It belongs to the reading goroutine.
func (a *asker) packet(stream uint32, s *capture.Segment) {
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

// settle waits for the answers that are due, for askedWait at most. packet must not be called after it.
func (a *asker) settle() {
	close(a.questions)
	done := make(chan struct{})
	go func() { a.done.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(askedWait):
	}
}

// answerQuestions answers the questions of r until its end. Invalid ones end it.
func answerQuestions(r io.Reader, w io.Writer, find func(question) []answer) error {
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

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report/model"
)

func segmentBetween(from, to string) *capture.Segment {
	a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	return &capture.Segment{Src: a.Addr().As16(), SrcPort: a.Port(), Dst: b.Addr().As16(), DstPort: b.Port()}
}

// TestAskingForProcesses: each connection is asked for once, and the answers are known at the end.
func TestAskingForProcesses(t *testing.T) {
	questionsOut, questionsIn := io.Pipe()
	answersOut, answersIn := io.Pipe()
	var asked []question
	go func() {
		_ = answerQuestions(questionsOut, answersIn, func(q question) []processAnswer {
			asked = append(asked, q)
			return []processAnswer{{Stream: q.Stream, End: q.Ends[0], Process: model.Process{PID: int(q.Stream) + 1}}, {Note: fmt.Sprint("note ", q.Stream)}}
		})
		answersIn.Close()
	}()
	known := newProcesses()
	var notes []string
	a := newAsker(known, questionsIn, answersOut, func(text string) { notes = append(notes, text) })
	for _, stream := range []uint32{0, 0, 2, 1, 2} {
		a.packet(stream, segmentBetween("10.0.0.1:4000", "10.0.0.9:9092"))
	}
	a.wait()
	if len(asked) != 2 || len(notes) != 2 || notes[1] != "note 2" {
		t.Errorf("asked %+v, notes %q", asked, notes)
	}
	if p, ok := known.at(2, netip.MustParseAddrPort("[::ffff:10.0.0.1]:4000")); !ok || p.PID != 3 {
		t.Errorf("the client of connection 2 is %+v, %v", p, ok)
	}
	if _, ok := known.at(2, netip.MustParseAddrPort("10.0.0.9:9092")); ok {
		t.Error("the other end has a process")
	}
}

// TestALookupThatHangsStopsNothing: neither the capture nor its end waits for the lookup.
func TestALookupThatHangsStopsNothing(t *testing.T) {
	_, questionsIn := io.Pipe()
	answersOut, _ := io.Pipe()
	a := newAsker(newProcesses(), questionsIn, answersOut, nil)
	began := time.Now()
	for stream := range uint32(2 * maxAsked) {
		a.packet(stream, segmentBetween("10.0.0.1:4000", "10.0.0.9:9092"))
	}
	a.wait()
	if took := time.Since(began); took < askedWait || took > 10*askedWait {
		t.Errorf("the end came after %v", took)
	}
}

func TestQuestionsThatAreNoneEndTheLookup(t *testing.T) {
	for _, text := range []string{"x\n", `{"stream":-1}` + "\n", strings.Repeat("1", 1<<17)} {
		var out bytes.Buffer
		if err := answerQuestions(strings.NewReader(text), &out, func(question) []processAnswer { t.Error("answered"); return nil }); err == nil {
			t.Errorf("%.20q: no error", text)
		}
	}
}

func TestProcessesAreBounded(t *testing.T) {
	p := newProcesses()
	end := netip.MustParseAddrPort("10.0.0.1:4000")
	for stream := range uint32(3 * maxOwned) {
		p.add(stream, end, model.Process{PID: 1})
		p.add(stream, end, model.Process{PID: 2})
	}
	if len(p.known) > maxOwned || len(p.oldest) != len(p.known) {
		t.Errorf("%d connections, %d in order", len(p.known), len(p.oldest))
	}
	if got, ok := p.at(3*maxOwned-1, end); !ok || got.PID != 1 {
		t.Errorf("the latest connection: %+v, %v", got, ok)
	}
	if _, ok := p.at(0, end); ok {
		t.Error("the first connection stays")
	}
}

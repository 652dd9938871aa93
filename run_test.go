package main

import (
	"encoding/binary"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// onInterface returns a packet of an interface, in the link type of a capture on all interfaces.
func onInterface(index uint32) capture.Packet {
	data := make([]byte, 60)
	binary.BigEndian.PutUint32(data[4:], index)
	return capture.Packet{Data: data, Link: 276}
}

// TestLocalPackets: run analyzes only loopback and bridges, and looks up each interface once.
func TestLocalPackets(t *testing.T) {
	asked := 0
	l := newLocalPackets()
	l.lookUp = func(index uint32) bool { asked++; return index == 1 || index == 3 }
	s := &liveSource{pick: l.pick}
	b := &capture.Batch{}
	for range 2 {
		b.Packets = []capture.Packet{onInterface(2), onInterface(1), onInterface(3), {Data: make([]byte, 60), Link: 1}, onInterface(2)}
		s.pickFrom(b)
		if len(b.Packets) != 3 || b.Packets[0].Data[7] != 1 || b.Packets[1].Data[7] != 3 || b.Packets[2].Link != 1 {
			t.Errorf("%d packets were picked: %v", len(b.Packets), b.Packets)
		}
	}
	if b.Packets[0].Frame != 4 || b.Packets[2].Frame != 6 {
		t.Errorf("frames %d to %d, want 4 to 6", b.Packets[0].Frame, b.Packets[2].Frame)
	}
	if asked != 3 {
		t.Errorf("asked %d times for 3 interfaces", asked)
	}
	l.lookUp = func(uint32) bool { return true }
	for i := range uint32(2 * maxLocal) {
		if p := onInterface(10 + i); !l.pick(&p) {
			t.Fatalf("the packet of interface %d is not picked", 10+i)
		}
	}
	if len(l.isLocal) != maxLocal {
		t.Errorf("%d interfaces are kept, at most %d may be", len(l.isLocal), maxLocal)
	}
}

// TestRunSaysWhyItFails: a failing run has one line on standard error, and standard output has
// only what the command writes.
func TestRunSaysWhyItFails(t *testing.T) {
	for _, test := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"the command fails", []string{"-q", "-o", os.DevNull, "--", "sh", "-c", "echo ran; exit 3"}, 3, "ran\n", "kafkavet: the command exited with 3\n"},
		{"no report can be written", []string{"-q", "-o", "json:/dev/full", "--", "echo", "ran"}, 2, "ran\n",
			"kafkavet: write /dev/full: no space left on device\nkafkavet: the report goes to standard error\n{\n"},
		{"packets on standard output", []string{"-w", "-", "--", "echo", "ran"}, 2, "",
			"kafkavet: run: --write -: standard output belongs to the command; name a file\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := played(nil, 1)
			stdout, stderr := &timedLines{now: f.now}, &timedLines{now: f.now}
			e := environment{streams: streams{strings.NewReader(""), stdout, stderr}, open: f.open, now: f.now}
			code := e.run(t.Context(), append([]string{"run"}, test.args...))
			if code != test.code || stdout.String() != test.stdout || !strings.HasPrefix(stderr.String(), test.stderr) {
				t.Errorf("exit code %d, standard output %q, standard error %q", code, stdout, stderr)
			}
		})
	}
}

func TestLoopbackIsLocal(t *testing.T) {
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if got, want := isLocalInterface(uint32(i.Index)), i.Flags&net.FlagLoopback != 0; want && !got {
			t.Errorf("%s: %v, want %v", i.Name, got, want)
		}
	}
	if isLocalInterface(1 << 30) {
		t.Error("an interface that does not exist is local")
	}
}

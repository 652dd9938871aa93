package capture

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestCommentsOnPacketsNameProcesses: the lines of ptcpdump, in one comment or several, and those
// of other tools. Other lines of ptcpdump, such as arguments, are ignored.
func TestCommentsOnPacketsNameProcesses(t *testing.T) {
	whole := Process{PID: 4711, Command: "/usr/bin/loader", User: "1001", Container: "0123456789ab", Pod: "loader-abc", Namespace: "shop"}
	tests := []struct {
		name     string
		comments []string
		want     *Process
	}{
		{"several", []string{"PID: 4711\nCmd: /usr/bin/loader\nArgs: -p secret", "ThreadId: 4\nThreadName: main", "UserId: 1001\nGroupId: 1", "ParentPID: 1\nParentCmd: init",
			"ContainerName: c\nContainerId: 0123456789ab\nContainerImage: i", "PodName: loader-abc\nPodNamespace: shop\nPodUID: u\nPodLabels: {}"}, &whole},
		{"one", []string{"PID: 4711\nCmd: /usr/bin/loader\nUserId: 1001\nContainerId: 0123456789ab\nPodName: loader-abc\nPodNamespace: shop"}, &whole},
		{"line breaks in arguments", []string{"PID: 4711\nCmd: a\nArgs: x\nPID: 1\nCmd: secret"}, &Process{PID: 4711, Command: "a"}},
		{"Windows", []string{"PID=12 ProcessorNumber=1"}, &Process{PID: 12}},
		{"carriage returns", []string{"PID: 12\r\nCommand: a\r\n"}, &Process{PID: 12, Command: "a"}},
		{"arguments behind the command", []string{"PID: 12\nCmd: a --password=secret"}, &Process{PID: 12, Command: "a"}},
		{"no process", []string{"KV1001 above-max: PID 12 sends Fetch v12", "Cmd: a", "UserId: 1"}, nil},
		{"no number", []string{"PID: x\nCmd: a", "PID: -1", "PID: 99999999999"}, nil},
		{"too long", []string{"PID: 1\nCmd: " + strings.Repeat("a", 300), "Args: " + strings.Repeat("x", maxComments), "PodName: p"},
			&Process{PID: 1, Command: strings.Repeat("a", maxProcessText), Pod: "p"}},
		{"not UTF-8", []string{"PID: 1\nCmd: a\xff\xc3b" + strings.Repeat("c", maxProcessText-5) + "é"}, &Process{PID: 1, Command: "ab" + strings.Repeat("c", maxProcessText-5)}},
	}
	for _, tt := range tests {
		for _, big := range []bool{false, true} {
			b := capturetest.Blocks{BigEndian: big}
			b.Section()
			b.Interface(1, 0)
			var options []capturetest.Option
			for _, c := range tt.comments {
				options = append(options, capturetest.Option{Code: capturetest.OptionComment, Value: []byte(c)})
			}
			for range 2 { // the second one is shared
				b.Enhanced(0, 1, []byte("abcde"), 5, options...)
			}
			b.Enhanced(0, 1, []byte("a"), 1)
			var got []*PacketProcess
			for _, p := range readFrom(t, bytes.NewReader(b.Bytes)).packets {
				got = append(got, p.Process)
			}
			want := []*PacketProcess{nil, nil, nil}
			if tt.want != nil {
				want[0] = &PacketProcess{Process: *tt.want}
				want[1] = want[0]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, big-endian %v: %s", tt.name, big, diff)
			}
			if got[0] != got[1] {
				t.Errorf("%s: two values of one process", tt.name)
			}
		}
	}
}

func TestDirectionSaysWhoseTheProcessIs(t *testing.T) {
	packet := capturetest.Packet{Link: 1, Data: []byte("a"), Comment: "PID: 1"}
	in, out := packet, packet
	in.Inbound, out.Outbound = true, true
	got := readFrom(t, bytes.NewReader(capturetest.Pcapng{}.Encode([]capturetest.Packet{packet, in, out})))
	got.sound(t)
	for i, want := range []bool{false, true, false} {
		if p := got.packets[i].Process; p == nil || p.PID != 1 || p.IsReceiver != want {
			t.Errorf("packet %d: %+v, want a receiver: %v", i+1, p, want)
		}
	}
}

// TestProcessesOfACaptureAreBounded: many different comments do not fill the memory.
func TestProcessesOfACaptureAreBounded(t *testing.T) {
	var p pcapng
	for i := range 3 * maxProcesses {
		text := fmt.Sprintf("PID: %d", i+1)
		option := append([]byte{1, 0, byte(len(text)), 0}, text...)
		if got := p.comments(option); got == nil || got.PID != i+1 {
			t.Fatalf("comment %d names %+v", i, got)
		}
		if len(p.processes) > maxProcesses {
			t.Fatalf("%d processes are kept", len(p.processes))
		}
	}
}

// TestOptionsOfPacketsThatDoNotFit: they end the list, and earlier options count.
func TestOptionsOfPacketsThatDoNotFit(t *testing.T) {
	var p pcapng
	options := append([]byte{1, 0, 6, 0}, "PID: 1\x00\x00"...)
	for _, more := range [][]byte{nil, {1}, {1, 0, 9, 0, 'a'}, {0, 0, 0, 0, 1, 0, 6, 0, 'P', 'I', 'D', ':', ' ', '2'}} {
		if got := p.comments(append(options[:len(options):len(options)], more...)); got == nil || got.PID != 1 {
			t.Errorf("%v: %+v", more, got)
		}
	}
}

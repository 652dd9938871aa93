package capture

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// ticking returns a capture whose packets begin at a second and are step nanoseconds apart, each
// with random bytes.
func ticking(second, step int64, n, size int) []capturetest.Packet {
	r := rand.New(rand.NewPCG(uint64(second), uint64(step)))
	var packets []capturetest.Packet
	for i := range n {
		data := make([]byte, size)
		for j := range data {
			data[j] = byte(r.Uint32())
		}
		packets = append(packets, capturetest.Packet{Time: second*1e9 + int64(i)*step, Link: 1, Data: data})
	}
	return packets
}

// TestOverlappingFilesAreMergedByTime: more than one batch of each, also through standard input,
// with other files before and after.
func TestOverlappingFilesAreMergedByTime(t *testing.T) {
	inputs := map[string][]capturetest.Packet{
		"before": ticking(5, 1000, 10, 60), "a": ticking(10, 3000, 12_000, 100), "b": ticking(10, 1000, 9_000, 60),
		"-": ticking(10, 2000, 2000, 300), "large": ticking(10, 5_000_000, 3, 700_000), "after": ticking(20, 1000, 10, 60),
	}
	files := map[string][]byte{}
	var want []capturetest.Packet
	for name, packets := range inputs {
		files[name] = capturetest.Pcap{Nano: true}.Encode(packets)
		want = append(want, packets...)
	}
	dir := save(t, files)
	paths := []string{"-"}
	for name := range inputs {
		if name != "-" {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	got := readPaths(t, Options{Stdin: bytes.NewReader(files["-"])}, paths...)
	if len(got.packets) != len(want) {
		t.Fatalf("%d packets, want %d", len(got.packets), len(want))
	}
	frames := map[uint32]uint64{}
	for i, p := range got.packets {
		if frames[p.Capture]++; p.Frame != frames[p.Capture] {
			t.Fatalf("packet %d of capture %d has frame number %d", frames[p.Capture], p.Capture, p.Frame)
		}
		if i > 0 && !got.packets[i-1].Position.Before(p.Position) {
			t.Fatalf("%+v comes after %+v", p.Position, got.packets[i-1].Position)
		}
		if original := inputs[filepath.Base(got.infos[p.Capture].Path)][p.Frame-1]; !bytes.Equal(p.Data, original.Data) || p.Time != original.Time {
			t.Fatalf("frame %d of capture %d is another packet", p.Frame, p.Capture)
		}
	}
}

// TestCopiesOfAPacketComeInTheOrderOfTheCaptures: also if all times are equal.
func TestCopiesOfAPacketComeInTheOrderOfTheCaptures(t *testing.T) {
	data := capturetest.Pcap{Nano: true}.Encode(ticking(10, 1000, 4, 60))
	dir := save(t, map[string][]byte{"a": data, "b": data})
	got := readPaths(t, Options{}, filepath.Join(dir, "b"), filepath.Join(dir, "a"))
	var order []string
	for _, p := range got.packets {
		order = append(order, fmt.Sprint(p.Capture, ".", p.Frame))
	}
	if diff := cmp.Diff([]string{"0.1", "1.1", "0.2", "1.2", "0.3", "1.3", "0.4", "1.4"}, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFilesBehindEachOtherAreNotCopied guards the speed of rotated captures: a batch refers to the
// memory that its file was read into.
func TestFilesBehindEachOtherAreNotCopied(t *testing.T) {
	dir := save(t, map[string][]byte{
		"1": capturetest.Pcap{Nano: true}.Encode(ticking(10, 1000, 100, 60)), "2": capturetest.Pcap{Nano: true}.Encode(ticking(11, 1000, 100, 60)),
	})
	s, err := Open([]string{filepath.Join(dir, "1"), filepath.Join(dir, "2")}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var b Batch
	for s.Next(&b) == nil {
		for i := 1; i < len(b.Packets); i++ {
			// A copy of the packets alone would have no record headers between them.
			if gap := cap(b.Packets[i-1].Data) - len(b.Packets[i-1].Data); gap != 0 {
				t.Fatalf("packet %d has room behind it", i)
			}
			if &b.buf[pcapHeaderLength+i*(60+pcapRecordLength)+pcapRecordLength] != &b.Packets[i].Data[0] &&
				&b.buf[i*(60+pcapRecordLength)+pcapRecordLength] != &b.Packets[i].Data[0] {
				t.Fatalf("packet %d was copied", i)
			}
		}
	}
}

// TestTooManyOverlappingFiles guards the number of open files: all files are read, and the delayed
// ones are known.
func TestTooManyOverlappingFiles(t *testing.T) {
	files := map[string][]byte{}
	const many = maxMerged + 10
	for i := range many {
		files[fmt.Sprintf("%03d", i)] = capturetest.Pcap{Nano: true}.Encode(ticking(10, 1000+int64(i), 20, 60))
	}
	dir := save(t, files)
	var paths []string
	for name := range files {
		paths = append(paths, filepath.Join(dir, name))
	}
	slices.Sort(paths)
	s, err := Open(paths, Options{})
	if err != nil {
		t.Fatal(err)
	}
	open := 0
	var b Batch
	packets := 0
	for err = s.Next(&b); err == nil; err = s.Next(&b) {
		packets += len(b.Packets)
		open = max(open, len(s.active))
	}
	delayed := 0
	for _, info := range s.Captures() {
		if info.Delayed {
			delayed++
		}
	}
	done, total := s.Progress()
	if err != io.EOF || packets != many*20 || open > maxMerged || delayed != many-maxMerged || done != total {
		t.Errorf("%v: %d packets, %d files open, %d delayed, %d of %d bytes read", err, packets, open, delayed, done, total)
	}
}

// TestClocksAreCompared: a segment precedes its acknowledgement, also in another capture.
func TestClocksAreCompared(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(netip.MustParseAddrPort("192.0.2.7:40001"), netip.MustParseAddrPort("192.0.2.9:9092"))
	for range 12 {
		c.Exchange([]byte("a request"), []byte("an answer"))
	}
	c.Close(capturetest.ToBroker)
	other := capturetest.NewRecorder()
	other.Open(netip.MustParseAddrPort("192.0.2.8:40001"), netip.MustParseAddrPort("192.0.2.9:9092")).Exchange([]byte("x"), []byte("y"))
	to, from := capturetest.OneWay(r.Packets, capturetest.ToBroker), capturetest.OneWay(r.Packets, capturetest.ToClient)
	before := capturetest.Randomize(r.Packets, 1)
	behind := slices.DeleteFunc(capturetest.Translated(before), func(p capturetest.Packet) bool {
		return !bytes.Contains(p.Data, []byte{30092 >> 8, 30092 & 0xff})
	})
	// If the capture lacks the first copy of a segment, it seems to be answered before it was
	// sent.
	late := slices.Clone(r.Packets)
	for i := range late {
		if i == 8 {
			late[i].Time += 500e6
		}
	}
	for _, tt := range []struct {
		name    string
		a, b    []capturetest.Packet
		skew    int64
		want    bool
		related int
	}{
		{name: "the same", a: r.Packets, b: r.Packets},
		{name: "one direction each", a: to, b: from},
		{name: "ahead", a: r.Packets, b: r.Packets, skew: 1e9, want: true},
		{name: "behind", a: r.Packets, b: r.Packets, skew: -40e6, want: true},
		{name: "ahead by a millisecond", a: r.Packets, b: r.Packets, skew: 1e6, want: true},
		{name: "one direction ahead", a: to, b: from, skew: 2e9, want: true},
		{name: "one direction behind", a: to, b: from, skew: -3600e9, want: true},
		{name: "less than can be told", a: r.Packets, b: r.Packets, skew: minSkew / 2},
		{name: "more than clocks differ", a: r.Packets, b: r.Packets, skew: maxSkew + 1e9},
		{name: "another connection", a: r.Packets, b: other.Packets, skew: 1e9},
		{name: "behind address translation", a: before, b: behind, skew: 5e9, want: true},
		{name: "one packet late", a: r.Packets, b: late},
	} {
		dir := save(t, map[string][]byte{
			"a": capturetest.Pcap{Nano: true}.Encode(tt.a), "b": capturetest.Pcap{Nano: true}.Encode(capturetest.Shift(tt.b, tt.skew)),
		})
		got := readPaths(t, Options{}, filepath.Join(dir, "a"), filepath.Join(dir, "b"))
		offset := got.infos[0].ClockOffset - got.infos[1].ClockOffset
		if filepath.Base(got.infos[0].Path) == "a" {
			offset = -offset
		}
		wrong := offset + tt.skew
		if tt.want && (wrong > minSkew || wrong < -minSkew) || !tt.want && offset != 0 {
			t.Errorf("%s: offset %d for a skew of %d", tt.name, offset, tt.skew)
		}
	}
}

package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// captured is the result of a source, copied from its batches.
type captured struct {
	packets []Packet
	infos   []Info
}

// drained is reusable memory of drain.
var drained = sync.Pool{New: func() any { return new([2]Batch) }}

// drain reads the source to its end.
func drain(tb testing.TB, s Source) captured {
	tb.Helper()
	var c captured
	batches := drained.Get().(*[2]Batch) // one is filled while the other is used, as in package reassembly
	defer drained.Put(batches)
	for i := 0; ; i++ {
		b := &batches[i%2]
		err := s.Next(b)
		if err == io.EOF {
			if len(b.Packets) != 0 {
				tb.Errorf("%d packets came with io.EOF", len(b.Packets))
			}
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		if len(b.Packets) == 0 || len(b.Packets) > maxBatchPackets {
			tb.Fatalf("batch of %d packets", len(b.Packets))
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			c.packets = append(c.packets, p)
		}
	}
	c.infos = s.Captures()
	if err := s.Close(); err != nil {
		tb.Errorf("close: %v", err)
	}
	return c
}

// readPaths reads files.
func readPaths(tb testing.TB, opt Options, paths ...string) captured {
	tb.Helper()
	s, err := Open(paths, opt)
	if err != nil {
		tb.Fatal(err)
	}
	return drain(tb, s)
}

// readFrom reads standard input.
func readFrom(tb testing.TB, r io.Reader) captured {
	tb.Helper()
	return readPaths(tb, Options{Stdin: r}, "-")
}

// info returns the Info of the only capture.
func (c captured) info(tb testing.TB) Info {
	tb.Helper()
	if len(c.infos) != 1 {
		tb.Fatalf("%d captures, want 1", len(c.infos))
	}
	return c.infos[0]
}

// sound fails the test if the capture is not complete.
func (c captured) sound(tb testing.TB) {
	tb.Helper()
	for _, i := range c.infos {
		if i.Err != nil || i.Torn != nil {
			tb.Errorf("%s: err %v, torn %v", i.Path, i.Err, i.Torn)
		}
	}
}

// like returns packets of capturetest as they are read.
func like(packets []capturetest.Packet) []Packet {
	var out []Packet
	for i, p := range packets {
		out = append(out, Packet{
			Position: Position{Frame: uint64(i + 1), Time: p.Time},
			Data:     bytes.Clone(p.Data),
			Length:   uint32(p.Length()),
			Link:     LinkType(p.Link),
		})
	}
	return out
}

// sample returns n packets of different lengths, some microseconds apart. Some are empty or
// truncated.
func sample(n int) []capturetest.Packet {
	packets := make([]capturetest.Packet, n)
	for i := range packets {
		data := bytes.Repeat([]byte{byte(i), byte(i >> 8), 0xa5}, i*7%60)
		packets[i] = capturetest.Packet{Time: capturetest.Start + int64(i)*1_234_000, Link: 1, Data: data}
		if i%5 == 0 {
			packets[i].OrigLen = len(data) + 1000
		}
	}
	return packets
}

// samePackets compares packets. Empty data equals nil.
func samePackets(tb testing.TB, what string, want, got []Packet) {
	tb.Helper()
	equal := slices.EqualFunc(want, got, func(a, b Packet) bool {
		return a.Position == b.Position && bytes.Equal(a.Data, b.Data) &&
			a.Length == b.Length && a.Link == b.Link && a.Interface == b.Interface
	})
	if !equal {
		tb.Errorf("%s: packets differ (-want +got):\n%s", what, cmp.Diff(want, got, cmpopts.EquateEmpty()))
	}
}

// message returns the text of an error, empty for nil.
func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// encodings returns captures of every format and variant with the same packets.
func encodings(packets []capturetest.Packet) map[string][]byte {
	all := map[string][]byte{}
	for _, big := range []bool{false, true} {
		order := map[bool]string{false: " little-endian", true: " big-endian"}[big]
		all["pcap"+order] = capturetest.Pcap{BigEndian: big}.Encode(packets)
		all["pcap nano"+order] = capturetest.Pcap{BigEndian: big, Nano: true}.Encode(packets)
		all["pcap modified"+order] = capturetest.Pcap{BigEndian: big, Modified: true}.Encode(packets)
		all["pcapng"+order] = capturetest.Pcapng{BigEndian: big}.Encode(packets)
		all["pcapng nano"+order] = capturetest.Pcapng{BigEndian: big, Resolution: 9, Offset: -7}.Encode(packets)
		all["pcapng sections"+order] = capturetest.Pcapng{BigEndian: big, Section: 3, KeyLog: []byte("a b c\n")}.Encode(packets)
		all["pcapng obsolete"+order] = capturetest.Pcapng{BigEndian: big, Block: capturetest.BlockObsolete}.Encode(packets)
	}
	return all
}

func TestEveryFormatYieldsTheSamePackets(t *testing.T) {
	packets := sample(40)
	want := like(packets)
	for name, data := range encodings(packets) {
		got := readFrom(t, bytes.NewReader(data))
		got.sound(t)
		for i := range got.packets {
			got.packets[i].Interface = 0 // differs between sections
		}
		samePackets(t, name, want, got.packets)
		info := got.info(t)
		wantInfo := Info{
			Path: "-", Format: strings.Fields(name)[0], LinkTypes: []LinkType{1},
			Packets: 40, First: want[0].Time, Last: want[39].Time, Truncated: 8,
		}
		for _, p := range packets {
			wantInfo.Bytes += uint64(len(p.Data))
		}
		if len(info.Interfaces) == 0 || info.Interfaces[0].Link != LinkTypeEthernet {
			t.Errorf("%s: interfaces %+v", name, info.Interfaces)
		}
		info.Interfaces, info.Opening = nil, 0 // names and resolutions differ between the formats
		if diff := cmp.Diff(wantInfo, info); diff != "" {
			t.Errorf("%s: info differs (-want +got):\n%s", name, diff)
		}
	}
}

// TestOpeningDistinguishesCaptures: it is the same in all formats, and another one if one of the
// first packets differs.
func TestOpeningDistinguishesCaptures(t *testing.T) {
	opening := func(data []byte) uint64 { return readFrom(t, bytes.NewReader(data)).info(t).Opening }
	packets := sample(openingPackets + 1)
	want := opening(capturetest.Pcap{}.Encode(packets))
	for name, data := range encodings(packets) {
		if got := opening(data); got != want {
			t.Errorf("%s: opening %x, want %x", name, got, want)
		}
	}
	for i, isOther := range map[int]bool{1: true, openingPackets - 1: true, openingPackets: false} {
		changed := slices.Clone(packets)
		changed[i].Data = slices.Clone(changed[i].Data)
		changed[i].Data[0] ^= 1
		if got := opening(capturetest.Pcap{}.Encode(changed)); (got != want) != isOther {
			t.Errorf("packet %d differs: opening %x, before %x", i+1, got, want)
		}
	}
}

func TestSlowInputYieldsTheSamePackets(t *testing.T) {
	packets := sample(20)
	for name, data := range encodings(packets) {
		fast := readFrom(t, bytes.NewReader(data))
		for how, r := range map[string]io.Reader{
			"one byte at a time":    iotest.OneByteReader(bytes.NewReader(data)),
			"half of what is asked": iotest.HalfReader(bytes.NewReader(data)),
			"the end with the data": iotest.DataErrReader(bytes.NewReader(data)),
			"with empty reads":      &hesitant{r: bytes.NewReader(data)},
		} {
			slow := readFrom(t, r)
			slow.sound(t)
			samePackets(t, name+", "+how, fast.packets, slow.packets)
			if diff := cmp.Diff(fast.infos, slow.infos); diff != "" {
				t.Errorf("%s, %s: info differs (-fast +slow):\n%s", name, how, diff)
			}
		}
	}
}

// hesitant returns nothing every other time.
type hesitant struct {
	r    io.Reader
	turn int
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.turn++; h.turn%2 == 1 {
		return 0, nil
	}
	return h.r.Read(p[:min(len(p), 100)])
}

func TestInputThatNeverAnswersEnds(t *testing.T) {
	got := readFrom(t, stuck{})
	if err := got.info(t).Err; !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("err = %v, want %v", err, io.ErrNoProgress)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// borders returns the offsets at which a capture may end: after the file header and each record,
// or each block.
func borders(data []byte, packets []capturetest.Packet, name string) map[int]bool {
	ends := map[int]bool{}
	at := 24
	head := 16
	if strings.Contains(name, "modified") {
		head = 24
	}
	if strings.HasPrefix(name, "pcap ") {
		for _, p := range packets {
			ends[at] = true
			at += head + len(p.Data)
		}
		ends[at] = true
		return ends
	}
	big := false
	for at = 0; at < len(data); {
		if data[at] == 0x0a && data[at+1] == 0x0d && data[at+2] == 0x0d {
			big = data[at+8] == 0x1a
		}
		l := data[at+4 : at+8]
		n := int(l[0]) | int(l[1])<<8
		if big {
			n = int(l[3]) | int(l[2])<<8
		}
		at += n
		ends[at] = true
	}
	return ends
}

func TestCutAtEveryOffsetIsTornUnlessBetweenRecords(t *testing.T) {
	packets := sample(7)
	for name, data := range encodings(packets) {
		whole := readFrom(t, bytes.NewReader(data))
		ends := borders(data, packets, name)
		if !ends[len(data)] {
			t.Fatalf("%s: the test has lost its way", name)
		}
		for cut := range data {
			got := readFrom(t, bytes.NewReader(data[:cut]))
			info := got.info(t)
			what := fmt.Sprintf("%s, %d of %d bytes", name, cut, len(data))
			switch {
			case cut < headLeast:
				if info.Err == nil {
					t.Errorf("%s: no error", what)
				}
				continue
			case info.Err != nil:
				t.Errorf("%s: %v", what, info.Err)
			case ends[cut] != (info.Torn == nil):
				t.Errorf("%s: torn is %v", what, info.Torn)
			case info.Torn != nil && !strings.Contains(info.Torn.Error(), "breaks off"):
				t.Errorf("%s: torn says %q", what, info.Torn)
			}
			samePackets(t, what, whole.packets[:len(got.packets)], got.packets)
		}
	}
}

func TestPacketsAreNotHeldBack(t *testing.T) {
	packets := sample(3)
	for name, data := range encodings(packets) {
		r, w := io.Pipe()
		defer w.Close()
		go w.Write(data) // then nothing: the pipe stays open
		s, err := Open([]string{"-"}, Options{Stdin: r})
		if err != nil {
			t.Fatal(err)
		}
		arrive(t, name, s, len(packets))
	}
}

func TestCompressedPacketsAreNotHeldBackOnceFlushed(t *testing.T) {
	packets := sample(3)
	data := capturetest.Pcap{}.Encode(packets)
	type flusher interface {
		io.Writer
		Flush() error
	}
	for name, compress := range map[string]func(io.Writer) flusher{
		"gzip": func(w io.Writer) flusher { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) flusher { z, _ := zstd.NewWriter(w); return z },
	} {
		r, w := io.Pipe()
		defer w.Close()
		go func() {
			z := compress(w)
			z.Write(data)
			z.Flush()
		}()
		s, err := Open([]string{"-"}, Options{Stdin: r})
		if err != nil {
			t.Fatal(err)
		}
		arrive(t, name, s, len(packets))
	}
}

// arrive waits until n packets have arrived from s.
func arrive(t *testing.T, name string, s Source, n int) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		var b Batch
		for got := 0; got < n; got += len(b.Packets) {
			if err := s.Next(&b); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("%s: %d packets were written and did not come out", name, n)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	empty := make([]capturetest.Packet, 3*maxBatchPackets+5)
	for i := range empty {
		empty[i].Time = capturetest.Start
	}
	got := readFrom(t, bytes.NewReader(capturetest.Pcap{}.Encode(empty)))
	got.sound(t)
	if len(got.packets) != len(empty) {
		t.Errorf("%d of %d empty packets", len(got.packets), len(empty))
	}
	if last := got.packets[len(got.packets)-1].Frame; last != uint64(len(empty)) {
		t.Errorf("last frame is %d, want %d", last, len(empty))
	}
}

func TestLargestPacketIsReadAndMemoryStaysBounded(t *testing.T) {
	large := capturetest.Packet{Time: capturetest.Start, Link: 1, Data: bytes.Repeat([]byte("kafka"), maxPacket/5)}
	packets := slices.Concat(sample(5), []capturetest.Packet{large, large}, sample(5))
	for name, data := range encodings(packets) {
		s, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(data)})
		if err != nil {
			t.Fatal(err)
		}
		var b Batch
		n := 0
		for s.Next(&b) == nil {
			n += len(b.Packets)
			if len(b.buf) > 2*maxBlock {
				t.Fatalf("%s: batch of %d bytes", name, len(b.buf))
			}
		}
		if n != len(packets) {
			t.Errorf("%s: %d of %d packets: %v", name, n, len(packets), s.Captures()[0])
		}
	}
}

func TestReadErrorIsAnErrorAndNoTear(t *testing.T) {
	packets := sample(6)
	data := capturetest.Pcap{}.Encode(packets)
	broken := errors.New("input/output error")
	r := io.MultiReader(bytes.NewReader(data[:len(data)-3]), iotest.ErrReader(broken))
	got := readFrom(t, r)
	info := got.info(t)
	if !errors.Is(info.Err, broken) || info.Torn != nil {
		t.Errorf("err %v, torn %v", info.Err, info.Torn)
	}
	want := fmt.Sprintf("read capture -: after packet 5 at offset %d: input/output error", len(data)-3)
	if message(info.Err) != want {
		t.Errorf("err says  %q\nwant      %q", info.Err, want)
	}
	if len(got.packets) != 5 {
		t.Errorf("%d packets, want 5", len(got.packets))
	}
}

// endless repeats a part of a capture after its beginning.
type endless struct{ head, body, rest []byte }

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	for n < len(p) {
		if len(e.rest) == 0 {
			e.rest = e.body
		}
		m := copy(p[n:], e.rest)
		e.rest = e.rest[m:]
		n += m
	}
	return n, nil
}

// traffic returns an endless capture of packets of that size, for each format.
func traffic(size int) map[string]*endless {
	data := bytes.Repeat([]byte{0x5a}, size)
	plain := capturetest.Pcap{}.Encode([]capturetest.Packet{{Time: capturetest.Start, Link: 1, Data: data}})
	var b capturetest.Blocks
	b.Section()
	b.Interface(1, 0)
	n := len(b.Bytes)
	b.Enhanced(0, 1_767_323_045_000_000, data, size)
	const times = 1000 // so that the time to make them does not count
	return map[string]*endless{
		"pcap":   {head: plain[:24], body: bytes.Repeat(plain[24:], times)},
		"pcapng": {head: b.Bytes[:n], body: bytes.Repeat(b.Bytes[n:], times)},
	}
}

func TestReadAllocatesNothingInTheSteadyState(t *testing.T) {
	for name, r := range traffic(1460) {
		s, err := Open([]string{"-"}, Options{Stdin: r})
		if err != nil {
			t.Fatal(err)
		}
		batches := make([]Batch, 2)
		i, packets := 0, 0
		next := func() {
			b := &batches[i%2]
			i++
			if err := s.Next(b); err != nil {
				t.Fatal(err)
			}
			packets += len(b.Packets)
		}
		for range 4 {
			next()
		}
		if n := testing.AllocsPerRun(50, next); n != 0 {
			t.Errorf("%s: %v allocations a batch", name, n)
		}
		if packets < 50*300 {
			t.Errorf("%s: only %d packets", name, packets)
		}
	}
}

// BenchmarkReadPcap and BenchmarkReadPcapng read packets of two sizes from memory, in two
// alternating batches as package reassembly does. The time per packet includes the copy.
func BenchmarkReadPcap(b *testing.B)   { benchmarkRead(b, "pcap") }
func BenchmarkReadPcapng(b *testing.B) { benchmarkRead(b, "pcapng") }

func benchmarkRead(b *testing.B, format string) {
	for _, size := range []int{74, 1514} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			s, err := Open([]string{"-"}, Options{Stdin: traffic(size)[format]})
			if err != nil {
				b.Fatal(err)
			}
			batches := make([]Batch, 4)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			i, packets := 0, 0
			b.ResetTimer()
			for packets < b.N { // one iteration is one packet
				batch := &batches[i%len(batches)]
				i++
				if err := s.Next(batch); err != nil {
					b.Fatal(err)
				}
				packets += len(batch.Packets)
			}
		})
	}
}

func TestRealCaptures(t *testing.T) {
	paths, err := filepath.Glob("../testdata/captures/*.pcap")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, path := range paths {
		packets, err := capturetest.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := readPaths(t, Options{}, path)
		got.sound(t)
		samePackets(t, path, like(packets), got.packets)
		if info := got.info(t); info.Format != "pcap" || info.Path != path {
			t.Errorf("%s: format %q, path %q", path, info.Format, info.Path)
		}
	}
}

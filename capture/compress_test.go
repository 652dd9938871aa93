package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// compressors by the name of their codec.
var compressors = map[string]func(w io.Writer) io.WriteCloser{
	"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"zstd": func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10))
		if err != nil {
			panic(err)
		}
		return z
	},
	"lz4": func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
}

// compress returns one stream (gzip member, frame) of data.
func compress(name string, data []byte) []byte {
	var b bytes.Buffer
	w := compressors[name](&b)
	if _, err := w.Write(data); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestCompressedCapturesYieldTheSamePackets(t *testing.T) {
	packets := sample(300)
	want := like(packets)
	pcap, pcapng := capturetest.Pcap{}.Encode(packets), capturetest.Pcapng{}.Encode(packets)
	for name := range compressors {
		for format, data := range map[string][]byte{"pcap": pcap, "pcapng": pcapng} {
			one := compress(name, data)
			for how, data := range map[string][]byte{
				"one stream":   one,
				"many streams": bytes.Join([][]byte{compress(name, data[:10]), compress(name, nil), compress(name, data[10:501]), compress(name, data[501:])}, nil),
			} {
				got := readFrom(t, bytes.NewReader(data))
				got.sound(t)
				samePackets(t, name+" "+format+" "+how, want, got.packets)
				if f := got.info(t).Format; f != format+"+"+name {
					t.Errorf("format is %q, want %q", f, format+"+"+name)
				}
			}
			slow := readFrom(t, iotest.OneByteReader(bytes.NewReader(one)))
			slow.sound(t)
			samePackets(t, name+" "+format+" one byte at a time", want, slow.packets)
		}
	}
}

// longFrame returns a zstd frame of data with a window of 2^27 bytes.
func longFrame(data []byte) []byte {
	stream := append([]byte("\x28\xb5\x2f\xfd\x00"), (27-10)<<3)
	for len(data) > 0 {
		block := data[:min(len(data), 100<<10)] // raw (RFC 8878, 3.1.1.2)
		data = data[len(block):]
		header := uint32(len(block)) << 3
		if len(data) == 0 {
			header |= 1 // the last
		}
		stream = append(append(stream, byte(header), byte(header>>8), byte(header>>16)), block...)
	}
	return stream
}

// TestLongZstdWindow reads what "zstd --long" and "zstd --ultra -22" write: frames with a window
// of 2^27 bytes. A few bytes that request as much memory do not get it.
func TestLongZstdWindow(t *testing.T) {
	packets := sample(20)
	for i := range packets {
		packets[i].Data = append(packets[i].Data, make([]byte, 10_000)...)
	}
	got := readFrom(t, bytes.NewReader(longFrame(capturetest.Pcap{}.Encode(packets))))
	got.sound(t)
	samePackets(t, "zstd", like(packets), got.packets)

	const want = "zstd stream needs too long a window: unpack it first, zstd -dc --long=31 FILE | kafkavet analyze -"
	short := readFrom(t, bytes.NewReader(longFrame(capturetest.Pcap{}.Encode(sample(20)))))
	if info := short.info(t); message(info.Err) != "read capture -: "+want {
		t.Errorf("a short one: %v (torn %v), want %q", info.Err, info.Torn, want)
	}
}

// TestWindowsOfOpenStreamsAreBounded: long windows of captures that are open together exceed the
// limit, those of captures one after the other do not.
func TestWindowsOfOpenStreamsAreBounded(t *testing.T) {
	// A capture must be longer than a batch and what is decompressed ahead.
	const each, packetCount, packetBytes = 3, 100, 40_000
	for name, tt := range map[string]struct {
		apart int64 // the time between the captures
		errs  int
	}{"together": {1, each - 1}, "one after the other": {3600e9, 0}} {
		var paths []string
		for i := range each {
			packets := sample(packetCount)
			for j := range packets {
				packets[j].Time += int64(i) * tt.apart
				packets[j].Data = append(packets[j].Data, make([]byte, packetBytes)...)
			}
			path := filepath.Join(t.TempDir(), "long.pcap.zst")
			if err := os.WriteFile(path, longFrame(capturetest.Pcap{}.Encode(packets)), 0o600); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
		s, err := Open(paths, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b Batch
		n := 0
		for s.Next(&b) == nil {
			n += len(b.Packets)
		}
		errs := 0
		for _, info := range s.Captures() {
			if info.Err != nil {
				errs++
				if m := message(info.Err); !strings.Contains(m, info.Path+": zstd stream needs a window") {
					t.Errorf("%s: the error is %q", name, m)
				}
			}
		}
		if errs != tt.errs || n != packetCount*(each-errs) {
			t.Errorf("%s: %d packets and %d errors, want %d errors", name, n, errs, tt.errs)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := zstdWindows.reserve(longZstdWindow); err != nil {
			t.Errorf("%s: a window is still in use: %v", name, err)
		}
		zstdWindows.release(longZstdWindow)
	}
}

func TestCutCompressedStreamIsNeverACleanEnd(t *testing.T) {
	packets := sample(12)
	data := capturetest.Pcap{}.Encode(packets)
	want := like(packets)
	for name := range compressors {
		// The first stream ends between two packets.
		first := compress(name, data[:24+16+len(packets[0].Data)])
		whole := append(bytes.Clone(first), compress(name, data[24+16+len(packets[0].Data):])...)
		for cut := range whole {
			got := readFrom(t, bytes.NewReader(whole[:cut]))
			info := got.info(t)
			if clean := info.Err == nil && info.Torn == nil; clean != (cut == len(first)) {
				t.Errorf("%s, %d of %d bytes (%d in the first stream): err %v, torn %v", name, cut, len(whole), len(first), info.Err, info.Torn)
			}
			if cut > len(first) && (info.Err != nil || len(got.packets) == 0) {
				t.Errorf("%s, %d of %d bytes: err %v after %d packets", name, cut, len(whole), info.Err, len(got.packets))
			}
			samePackets(t, name, want[:len(got.packets)], got.packets)
		}
	}
}

func TestDamagedCompressedStreamKeepsThePacketsBefore(t *testing.T) {
	packets := sample(3000)
	data := capturetest.Pcap{}.Encode(packets)
	want := like(packets)
	for name := range compressors {
		whole := append(compress(name, data[:2000]), compress(name, data[2000:])...)
		damaged := bytes.Clone(whole)
		for i := len(whole) * 3 / 4; i < len(whole)*3/4+20; i++ {
			damaged[i] ^= 0xff
		}
		got := readFrom(t, bytes.NewReader(damaged))
		info := got.info(t)
		// Damage that the decoder does not detect at once can look like a wrong record.
		if info.Torn == nil && info.Err == nil {
			t.Errorf("%s: the damage went unnoticed", name)
		}
		if len(got.packets) < 10 {
			t.Errorf("%s: %d packets", name, len(got.packets))
		}
		samePackets(t, name, want[:10], got.packets[:min(10, len(got.packets))])
	}
}

func TestBytesBehindACompressedStreamAreReported(t *testing.T) {
	packets := sample(5)
	data := capturetest.Pcap{}.Encode(packets)
	for name := range compressors {
		got := readFrom(t, bytes.NewReader(append(compress(name, data), "trailing rubbish"...)))
		info := got.info(t)
		if !strings.Contains(message(info.Torn), "after packet 5") || !strings.Contains(message(info.Torn), name+" stream") {
			t.Errorf("%s: torn is %v", name, info.Torn)
		}
		samePackets(t, name, like(packets), got.packets)
	}
}

func TestCompressedErrorsSayWhatIsInside(t *testing.T) {
	data := capturetest.Pcap{}.Encode(sample(3))
	zstdWindow := func(log byte) []byte { // a frame header without content size
		return append([]byte("\x28\xb5\x2f\xfd\x00"), (log-10)<<3, 0, 0, 0, 0, 0, 0)
	}
	tests := map[string]struct {
		data []byte
		err  string
	}{
		"gzip in gzip":    {compress("gzip", compress("gzip", data)), "the gzip stream holds no pcap or pcapng capture, it looks like a gzip stream: unpack it first, gzip -dc FILE | kafkavet analyze -"},
		"text in zstd":    {compress("zstd", []byte("hello, world\n")), "the zstd stream holds no pcap or pcapng capture, it looks like text"},
		"nothing in lz4":  {compress("lz4", nil), "the lz4 stream holds 0 bytes, too few for a capture"},
		"cut gzip":        {compress("gzip", data)[:12], "gzip stream breaks off"},
		"large window":    {zstdWindow(24), "zstd stream needs too long a window: unpack it first, zstd -dc --long=31 FILE | kafkavet analyze -"},
		"largest window":  {zstdWindow(41), "zstd stream needs too long a window: unpack it first, zstd -dc --long=31 FILE | kafkavet analyze -"},
		"large content":   {append([]byte("\x28\xb5\x2f\xfd\xe0"), 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0), "zstd stream needs too long a window: unpack it first, zstd -dc --long=31 FILE | kafkavet analyze -"},
		"gzip of nothing": {[]byte("\x1f\x8b\x08\xff"), "gzip stream breaks off"},
	}
	for name, tt := range tests {
		info := readFrom(t, bytes.NewReader(tt.data)).info(t)
		if want := "read capture -: " + tt.err; message(info.Err) != want || info.Torn != nil {
			t.Errorf("%s:\nerr  %v (torn %v)\nwant %s", name, info.Err, info.Torn, want)
		}
	}
}

func TestErrorUnderneathACompressedStreamIsNoTear(t *testing.T) {
	data := capturetest.Pcap{}.Encode(sample(3000))
	for name := range compressors {
		packed := append(compress(name, data[:2000]), compress(name, data[2000:])...)
		r := io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(fmt.Errorf("input/output error")))
		info := readFrom(t, r).info(t)
		if !strings.HasSuffix(message(info.Err), "input/output error") || info.Torn != nil {
			t.Errorf("%s: err %v, torn %v", name, info.Err, info.Torn)
		}
	}
}

func TestLargeContentSizeInAStreamIsNoLimit(t *testing.T) {
	// More than the largest window, in one frame with its size.
	packet := capturetest.Packet{Time: capturetest.Start, Link: 1, Data: make([]byte, 60_000)}
	var packets []capturetest.Packet
	for range 200 {
		packets = append(packets, packet)
	}
	data := capturetest.Pcap{}.Encode(packets)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := z.EncodeAll(data, nil)
	got := readFrom(t, bytes.NewReader(packed))
	got.sound(t)
	if len(got.packets) != len(packets) {
		t.Errorf("%d packets, want %d", len(got.packets), len(packets))
	}
}

func TestSkippableFrameBeforeZstd(t *testing.T) {
	packets := sample(5)
	skip := append([]byte("\x50\x2a\x4d\x18"), 4, 0, 0, 0, 1, 2, 3, 4) // as pzstd writes
	got := readFrom(t, bytes.NewReader(append(skip, compress("zstd", capturetest.Pcap{}.Encode(packets))...)))
	got.sound(t)
	samePackets(t, "skippable", like(packets), got.packets)
}

// TestEmptyBlocksInLZ4: a frame may have any number of empty blocks (lz4_Frame_format.md).
func TestEmptyBlocksInLZ4(t *testing.T) {
	data := capturetest.Pcap{}.Encode(sample(100))
	stream := []byte("\x04\x22\x4d\x18\x60\x40\x82")
	block := func(p []byte) { // not compressed
		stream = append(binary.LittleEndian.AppendUint32(stream, 1<<31|uint32(len(p))), p...)
	}
	block(data[:1000])
	for range 2 * maxEmptyReads {
		stream = append(stream, 1, 0, 0, 0, 0) // compressed: a token alone
	}
	block(data[1000:])
	got := readFrom(t, bytes.NewReader(append(stream, 0, 0, 0, 0)))
	if got.sound(t); len(got.packets) != 100 {
		t.Errorf("%d packets, want 100", len(got.packets))
	}
}

func TestDecompressionBombIsOnlyTime(t *testing.T) {
	// A capture that unpacks to 64 MiB of empty records.
	head := capturetest.Pcap{}.Encode(nil)
	bomb := append(bytes.Clone(head), make([]byte, 64<<20)...)
	for name := range compressors {
		packed := compress(name, bomb)
		s, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(packed)})
		if err != nil {
			t.Fatal(err)
		}
		var b Batch
		n := 0
		allocated := allocatedBytes()
		for s.Next(&b) == nil {
			n += len(b.Packets)
		}
		if allocated = allocatedBytes() - allocated; allocated > 24<<20 {
			t.Errorf("%s: %d MiB allocated", name, allocated>>20)
		}
		if n != 64<<20/16 {
			t.Errorf("%s: %d packets, want %d: %v", name, n, 64<<20/16, s.Captures()[0])
		}
	}
}

func TestClosingInTheMiddleOfACompressedCapture(t *testing.T) {
	data := capturetest.Pcap{}.Encode(sample(100_000))
	for name := range compressors {
		s, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(compress(name, data))})
		if err != nil {
			t.Fatal(err)
		}
		var b Batch
		if err := s.Next(&b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
		if err := s.Next(&b); err != io.EOF {
			t.Errorf("%s: after close, Next returns %v", name, err)
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	data := capturetest.Pcap{}.Encode(sample(200_000))
	for name := range compressors {
		packed := compress(name, data)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			batches := make([]Batch, 2)
			for b.Loop() {
				s, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(packed)})
				if err != nil {
					b.Fatal(err)
				}
				for i := 0; s.Next(&batches[i%2]) == nil; i++ {
				}
			}
		})
	}
}

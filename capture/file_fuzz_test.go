package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime/metrics"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

const (
	// readInput is the length of input that the two limits apply to; longer input is cut.
	readInput = 64 << 10
	// readTime and readBytes bound the time and the memory of reading it.
	readTime  = 50 * time.Millisecond
	readBytes = 16 << 20
	// readUnpacked is how many unpacked bytes count as one input. A capture may unpack to much
	// more than its size, which takes proportional time and no memory. At readMost, reading stops.
	readUnpacked = 1 << 20
	readMost     = 32 << 20
)

// allocatedBytes returns the bytes allocated on the heap since the program began.
func allocatedBytes() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// readOutcome is the result of reading one input.
type readOutcome struct {
	info     Info
	packets  []Packet
	unpacked int64
	took     time.Duration
	bytes    uint64
	gaveUp   bool
}

// attemptRead reads an input and checks what is true for any. It keeps the packets if keep is set.
func attemptRead(tb testing.TB, r io.Reader, keep bool) readOutcome {
	tb.Helper()
	var o readOutcome
	started, allocated := time.Now(), allocatedBytes()
	opt := Options{Stdin: r, Secrets: func(Secret) {}}
	s, err := Open([]string{"-"}, opt)
	if err != nil {
		tb.Fatal(err)
	}
	b := new(Batch)
	if keep {
		batches := drained.Get().(*[2]Batch)
		defer drained.Put(batches)
		b = &batches[0]
	}
	f := s.begin(s.inputs[0], &o.info, &s.done, opt.Secrets) // as Next does, with access to the file
	for f.fill(b) && !o.gaveUp {
		if len(b.Packets) == 0 || len(b.Packets) > maxBatchPackets {
			tb.Fatalf("batch of %d packets", len(b.Packets))
		}
		for _, p := range b.Packets {
			if uint64(len(p.Data)) > maxPacket || p.Length < uint32(len(p.Data)) {
				tb.Fatalf("packet of %d bytes, %d on the wire", len(p.Data), p.Length)
			}
			if keep {
				p.Data = bytes.Clone(p.Data)
				o.packets = append(o.packets, p)
			}
		}
		o.gaveUp = f.offset > readMost
	}
	o.took, o.bytes = time.Since(started), allocatedBytes()-allocated
	o.unpacked = f.offset - f.skip
	if err := f.close(); err != nil {
		tb.Fatal(err)
	}
	return o
}

// checkRead reads data within its limits of time and memory, and compares with a slow input.
func checkRead(tb testing.TB, data []byte) readOutcome {
	tb.Helper()
	o := attemptRead(tb, bytes.NewReader(data), false)
	for range 5 { // the machine may be busy: the best of some counts
		if o.took <= o.time() && o.bytes <= readBytes {
			break
		}
		o = attemptRead(tb, bytes.NewReader(data), false)
	}
	if o.took > o.time() {
		tb.Errorf("%d bytes took %v, more than %v", len(data), o.took, o.time())
	}
	if o.bytes > readBytes {
		tb.Errorf("%d bytes took %d bytes of memory, more than %d", len(data), o.bytes, readBytes)
	}
	if o.info.Err != nil && o.info.Torn != nil {
		tb.Errorf("both wrong (%v) and torn (%v)", o.info.Err, o.info.Torn)
	}
	if o.info.Packets > 0 && (o.info.First > o.info.Last || o.info.Format == "") {
		tb.Errorf("info is %+v", o.info)
	}
	return o
}

// time returns the time that o may take.
func (o readOutcome) time() time.Duration {
	return readTime * time.Duration(math.Ceil(max(1, float64(o.unpacked)/readUnpacked)))
}

// sameSlowly fails the test if data gives another result in small pieces.
func sameSlowly(tb testing.TB, data []byte) {
	tb.Helper()
	fast := attemptRead(tb, bytes.NewReader(data), true)
	slow := attemptRead(tb, iotest.HalfReader(&smallPieces{data: data, n: 61}), true)
	samePackets(tb, "in small pieces", fast.packets, slow.packets)
	if f, s := fmt.Sprintf("%+v", fast.info), fmt.Sprintf("%+v", slow.info); f != s {
		tb.Errorf("info in one piece    %s\nin small pieces %s", f, s)
	}
	for i, p := range fast.packets {
		if p.Frame != uint64(i+1) {
			tb.Fatalf("packet %d has frame number %d", i+1, p.Frame)
		}
	}
	if !fast.gaveUp && fast.info.Packets != uint64(len(fast.packets)) {
		tb.Errorf("%d packets, %d counted", len(fast.packets), fast.info.Packets)
	}
}

// smallPieces returns n bytes of data at a time.
type smallPieces struct {
	data []byte
	n    int
}

func (p *smallPieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.data)
	p.data = p.data[n:]
	return n, nil
}

func FuzzPcap(f *testing.F) {
	packets := sample(6)
	for variant := range uint8(6) {
		format := capturetest.Pcap{BigEndian: variant%2 == 1, Nano: variant/2 == 1, Modified: variant/2 == 2}
		data := format.Encode(packets)
		f.Add(variant, data[4:])
		f.Add(variant, data[4:len(data)-7])
	}
	f.Add(uint8(0), append(pcapHead(2, 4, 1<<32-1, 1), record(1, 2, 1<<32-1, 1<<32-1)...)[4:])
	f.Add(uint8(0), append(pcapHead(2, 3, 0, 0xf400_0114), record(1<<32-1, 1<<32-1, 0, 0)...)[4:])
	f.Fuzz(func(t *testing.T, variant uint8, data []byte) {
		magic := []uint32{pcapMicro, pcapNano, pcapModified}[variant/2%3]
		head := binary.LittleEndian.AppendUint32(nil, magic)
		if variant%2 == 1 {
			slices.Reverse(head)
		}
		data = append(head, data[:min(len(data), readInput-4)]...)
		checkRead(t, data)
		sameSlowly(t, data)
	})
}

func FuzzPcapng(f *testing.F) {
	packets := sample(6)
	for _, format := range []capturetest.Pcapng{
		{}, {BigEndian: true}, {Resolution: 9, Offset: -5}, {Resolution: 0x80 | 20}, {Resolution: 255}, {Resolution: 127},
		{Block: capturetest.BlockObsolete}, {Block: capturetest.BlockSimple, SnapLen: 30}, {Section: 2}, {KeyLog: []byte("a b c\nd e f"), Dropped: 7},
	} {
		for i := range packets {
			packets[i].Comment = "comment"
		}
		if format.Resolution >= 127 && format.Resolution != 0x80|20 {
			var b capturetest.Blocks
			b.Section()
			b.Interface(1, 0, capturetest.Option{Code: capturetest.OptionTSResol, Value: []byte{format.Resolution}})
			b.Enhanced(0, 1<<63, []byte("packet"), 6)
			f.Add(b.Bytes)
			continue
		}
		f.Add(format.Encode(packets))
	}
	f.Add(blocks(func(b *capturetest.Blocks) { b.Block(99, make([]byte, 5000)); b.Secrets(1, make([]byte, 3000)) }))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = append([]byte("\n\r\r\n"), data[min(len(data), 4):min(len(data), readInput)]...)
		checkRead(t, data)
		sameSlowly(t, data)
	})
}

// FuzzRecognize reads any bytes, compressed or not.
func FuzzRecognize(f *testing.F) {
	packets := sample(6)
	for _, data := range [][]byte{capturetest.Pcap{}.Encode(packets), capturetest.Pcapng{}.Encode(packets), []byte("text"), nil} {
		f.Add(data)
		for name := range compressors {
			f.Add(compress(name, data))
			f.Add(compress(name, compress(name, data)))
		}
	}
	for _, l := range looks {
		f.Add([]byte(l.magic))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), readInput)]
		o := checkRead(t, data)
		if o.info.Format == "" && (o.info.Err == nil || o.info.Packets > 0) {
			t.Errorf("not recognised, yet %+v", o.info)
		}
	})
}

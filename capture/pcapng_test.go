package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// blocks builds a pcapng file that begins with a section.
func blocks(build func(b *capturetest.Blocks)) []byte {
	var b capturetest.Blocks
	b.Section()
	build(&b)
	return b.Bytes
}

func TestSimplePacketsTakeTheirLengthFromTheSnapshotLength(t *testing.T) {
	tests := []struct {
		name   string
		snap   uint32
		length int
		data   string
		want   string
	}{
		{"no snapshot length", 0, 5, "abcde", "abcde"},
		{"cut at the snapshot length", 4, 60, "abcd", "abcd"},
		{"snapshot length no multiple of 4", 6, 60, "abcdef", "abcdef"},
		{"shorter than the snapshot length", 100, 3, "abc", "abc"},
		{"block shorter than all of it", 0, 60, "abcdefgh", "abcdefgh"},
		{"empty", 100, 0, "", ""},
	}
	for _, tt := range tests {
		got := readFrom(t, bytes.NewReader(blocks(func(b *capturetest.Blocks) {
			b.Interface(1, tt.snap)
			b.Simple([]byte(tt.data), tt.length)
		})))
		got.sound(t)
		want := Packet{Position: Position{Frame: 1}, Data: []byte(tt.want), Length: uint32(tt.length), Link: 1}
		samePackets(t, tt.name, []Packet{want}, got.packets)
		if info := got.info(t); info.First != 0 || info.Last != 0 {
			t.Errorf("%s: first %d and last %d of a capture without times", tt.name, info.First, info.Last)
		}
	}
}

func TestSimplePacketsHaveTheTimeOfThePacketBefore(t *testing.T) {
	got := readFrom(t, bytes.NewReader(blocks(func(b *capturetest.Blocks) {
		b.Interface(1, 0)
		b.Simple([]byte("a"), 1)
		b.Enhanced(0, 7_000_000, []byte("b"), 1)
		b.Simple([]byte("c"), 1)
	})))
	got.sound(t)
	var times []int64
	for _, p := range got.packets {
		times = append(times, p.Time)
	}
	if diff := cmp.Diff([]int64{0, 7e9, 7e9}, times); diff != "" {
		t.Errorf("times differ (-want +got):\n%s", diff)
	}
	if info := got.info(t); info.First != 7e9 || info.Last != 7e9 {
		t.Errorf("first %d, last %d", info.First, info.Last)
	}
}

func TestSectionsHaveInterfacesOfTheirOwn(t *testing.T) {
	var b capturetest.Blocks
	b.Section()
	b.Interface(1, 0)
	b.Interface(276, 0, capturetest.Option{Code: capturetest.OptionTSResol, Value: []byte{9}})
	b.Enhanced(1, 5, []byte("cooked"), 6)
	b.Enhanced(0, 5, []byte("ethernet"), 8)
	b.BigEndian = true
	b.Section()
	b.Interface(101, 0, capturetest.Option{Code: capturetest.OptionTSOffset, Value: binary.BigEndian.AppendUint64(nil, 10)})
	b.Enhanced(0, 5, []byte("raw"), 3)
	got := readFrom(t, bytes.NewReader(b.Bytes))
	got.sound(t)
	samePackets(t, "two sections", []Packet{
		{Position{Frame: 1, Time: 5}, []byte("cooked"), 6, 276, 1, nil},
		{Position{Frame: 2, Time: 5000}, []byte("ethernet"), 8, 1, 0, nil},
		{Position{Frame: 3, Time: 10_000_005_000}, []byte("raw"), 3, 101, 2, nil},
	}, got.packets)
	if diff := cmp.Diff([]LinkType{1, 276, 101}, got.info(t).LinkTypes); diff != "" {
		t.Errorf("link types differ (-want +got):\n%s", diff)
	}
}

func TestResolutionsAreConvertedExactlyAndNeverDivideByZero(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for exponent := range 256 {
		in := ngInterface{exponent: uint8(exponent)}
		in.prepare()
		for _, ticks := range []uint64{0, 1, 1<<32 - 1, 1<<63 - 1, 1 << 63, 1<<64 - 1, r.Uint64(), r.Uint64N(1 << 50), r.Uint64N(1 << 61)} {
			unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
			if exponent >= 0x80 {
				unit.Lsh(big.NewInt(1), uint(exponent-0x80))
			}
			want := new(big.Int).SetUint64(ticks)
			want.Mul(want, big.NewInt(1e9)).Quo(want, unit)
			if limit := big.NewInt(maxTime); want.Cmp(limit) > 0 {
				want = limit
			}
			if got := in.time(ticks); got != want.Int64() {
				t.Errorf("if_tsresol %#x: %d units are %d ns, want %d", exponent, ticks, got, want)
			}
		}
	}
}

func TestTimeOffsetCannotOverflow(t *testing.T) {
	for offset, want := range map[int64]int64{
		-1:          4_000_000_000,
		3600:        3_605_000_000_000,
		-1 << 63:    -(maxTime / 1_000_000_000 * 1_000_000_000) + 5e9,
		1<<63 - 1:   maxTime/1_000_000_000*1_000_000_000 + 5e9,
		-5:          0,
		-10_000_000: -9_999_995_000_000_000,
	} {
		got := readFrom(t, bytes.NewReader(blocks(func(b *capturetest.Blocks) {
			b.Interface(1, 0, capturetest.Option{Code: capturetest.OptionTSOffset, Value: binary.LittleEndian.AppendUint64(nil, uint64(offset))})
			b.Enhanced(0, 5_000_000, nil, 0)
		})))
		got.sound(t)
		if len(got.packets) != 1 || got.packets[0].Time != want {
			t.Errorf("offset %d: packets %v, want time %d", offset, got.packets, want)
		}
	}
}

func TestOptionsThatDoNotFitEndTheList(t *testing.T) {
	for name, options := range map[string][]byte{
		"longer than the block":      {9, 0, 200, 0, 9},
		"resolution without a value": {9, 0, 0, 0, 0, 0, 0, 0},
		"offset of 4 bytes":          {14, 0, 4, 0, 1, 1, 1, 1},
		"end before the resolution":  {0, 0, 0, 0, 9, 0, 1, 0, 3, 0, 0, 0},
		"half a head":                {9, 0, 1},
	} {
		got := readFrom(t, bytes.NewReader(blocks(func(b *capturetest.Blocks) {
			b.Block(capturetest.BlockInterface, append([]byte{1, 0, 0, 0, 0, 0, 0, 0}, options...))
			b.Enhanced(0, 5_000_000, nil, 0)
		})))
		got.sound(t)
		if len(got.packets) != 1 || got.packets[0].Time != 5e9 {
			t.Errorf("%s: packets %v, want one with microseconds", name, got.packets)
		}
	}
}

func TestDropsAreTheLastNumberOfEachInterface(t *testing.T) {
	option := func(code uint16, n uint64) []byte {
		b := binary.LittleEndian.AppendUint16(nil, code)
		b = binary.LittleEndian.AppendUint16(b, 8)
		return binary.LittleEndian.AppendUint64(b, n)
	}
	data := blocks(func(b *capturetest.Blocks) {
		b.Interface(1, 0)
		b.Interface(1, 0)
		b.Statistics(0, 0, 5)
		b.Statistics(1, 0, 100)
		b.Statistics(0, 0, 7)                                                               // cumulative: 5 before
		b.Statistics(9, 0, 1000)                                                            // interface 9 is unknown
		b.Block(capturetest.BlockStatistics, append(make([]byte, 12), option(4, 12345)...)) // packets received; no drops
		b.Section()
		b.Interface(1, 0)
		b.Block(capturetest.BlockStatistics, append(append(make([]byte, 12), option(5, 20)...), option(7, 3000)...))
	})
	got := readFrom(t, bytes.NewReader(data))
	got.sound(t)
	if n := got.info(t).Dropped; n != 7+100+20+3000 {
		t.Errorf("dropped %d, want %d", n, 7+100+20+3000)
	}
}

// collected are the secrets that arrived, and how.
type collected struct {
	text    bytes.Buffer
	kinds   map[uint32]bool
	longest int
	partial int // pieces that end inside a line
}

func (c *collected) take(s Secret) {
	kind, text := s.Kind, s.Text
	if c.kinds == nil {
		c.kinds = map[uint32]bool{}
	}
	c.kinds[kind] = true
	c.text.Write(text)
	c.longest = max(c.longest, len(text))
	if !bytes.HasSuffix(text, []byte("\n")) {
		c.partial++
	}
}

func TestSecretsArriveInWholeLinesHoweverLong(t *testing.T) {
	line := "CLIENT_RANDOM " + strings.Repeat("0123456789abcdef", 4) + " " + strings.Repeat("f", 96) + "\n"
	for name, tt := range map[string]struct {
		text    string
		partial int
	}{
		"none":                 {"", 0},
		"a line":               {line, 0},
		"lines":                {strings.Repeat(line, 7), 0},
		"without a last end":   {line + "CLIENT_RANDOM 01 02", 1},
		"many":                 {strings.Repeat(line, 60_000), 0}, // 10 MB
		"one line without end": {strings.Repeat("x", 3<<20+1), 1 << 30},
	} {
		var c collected
		data := blocks(func(b *capturetest.Blocks) {
			b.Secrets(capturetest.SecretsTLS, []byte(tt.text))
			b.Interface(1, 0)
			b.Enhanced(0, 1, []byte("packet"), 6)
		})
		got := readPaths(t, Options{Stdin: bytes.NewReader(data), Secrets: c.take}, "-")
		got.sound(t)
		if c.text.String() != tt.text {
			t.Errorf("%s: %d bytes of secrets came, want %d", name, c.text.Len(), len(tt.text))
		}
		if c.partial > tt.partial {
			t.Errorf("%s: %d pieces end inside a line", name, c.partial)
		}
		if c.longest > 2*readSize {
			t.Errorf("%s: a piece of %d bytes", name, c.longest)
		}
		if tt.text != "" && !c.kinds[capturetest.SecretsTLS] {
			t.Errorf("%s: kinds %v", name, c.kinds)
		}
		if len(got.packets) != 1 {
			t.Errorf("%s: %d packets after the secrets, want 1", name, len(got.packets))
		}
	}
}

func TestSecretsComeBetweenThePacketsThatTheyStandBetween(t *testing.T) {
	packets := 0
	seen := -1
	data := blocks(func(b *capturetest.Blocks) {
		b.Interface(1, 0)
		b.Enhanced(0, 1, []byte("before"), 6)
		b.Secrets(capturetest.SecretsTLS, []byte("a b c\n"))
		b.Enhanced(0, 1, []byte("after"), 5)
	})
	s, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(data), Secrets: func(Secret) { seen = packets }})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	for s.Next(&b) == nil {
		packets += len(b.Packets)
	}
	if packets != 2 || seen != 1 {
		t.Errorf("secrets came after %d of %d packets", seen, packets)
	}
}

func TestOtherBlocksArePassedOverWithoutBeingHeld(t *testing.T) {
	data := blocks(func(b *capturetest.Blocks) {
		b.Block(capturetest.BlockNames, make([]byte, 3<<20))
		b.Block(0x0bad, nil)
		b.Interface(1, 0)
		b.Block(0x80000001, make([]byte, 5<<20+4))
		b.Enhanced(0, 1, []byte("packet"), 6)
		b.Block(0x0bad, make([]byte, readSize)) // ends near the end of a batch
		b.Enhanced(0, 1, []byte("packet"), 6)
	})
	s, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	n := 0
	for s.Next(&b) == nil {
		n += len(b.Packets)
	}
	if n != 2 {
		t.Errorf("%d packets, want 2: %+v", n, s.Captures())
	}
	if len(b.buf) != readSize {
		t.Errorf("the batch grew to %d bytes", len(b.buf))
	}
}

func TestPcapngErrorsNameBlockPacketAndOffset(t *testing.T) {
	raw := func(kind, length uint32, body ...byte) []byte {
		b := binary.LittleEndian.AppendUint32(nil, kind)
		b = binary.LittleEndian.AppendUint32(b, length)
		return append(b, body...)
	}
	enhanced := func(length, iface, captured uint32, rest int) []byte {
		b := raw(6, length)
		for _, v := range []uint32{iface, 0, 0, captured, captured} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return append(b, make([]byte, rest)...)
	}
	// Behind section (28 bytes), interface (20) and a packet of 4 bytes (36): offset 84.
	tests := []struct {
		name string
		tail []byte
		err  string
	}{
		{"interface not described", append(enhanced(32, 3, 0, 0), 32, 0, 0, 0), "packet 2 at offset 84: interface 3 is not described, only 1 are so far"},
		{"captured length beyond the limit", enhanced(1<<31, 0, 1<<30, 0), "packet 2 at offset 84: length 2147483648 exceeds 1179648"},
		{"captured length beyond the block", append(enhanced(36, 0, 5, 4), 36, 0, 0, 0), "packet 2 at offset 84: captured length 5 exceeds the 4 bytes of its block"},
		{"captured length beyond a block that is torn", enhanced(36, 0, 1<<31, 0), "packet 2 at offset 84: captured length 2147483648 exceeds 1048576"},
		{"length below the least", raw(6, 8, make([]byte, 40)...), "packet 2 at offset 84: length 8 is not a multiple of 4 from 12 up"},
		{"length no multiple of 4", raw(99, 45, make([]byte, 40)...), "block at offset 84 after packet 1: length 45 is not a multiple of 4 from 12 up"},
		{"length too short for a packet", raw(6, 28, make([]byte, 40)...), "packet 2 at offset 84: length 28 is below 32"},
		{"simple packet too short", raw(3, 12, make([]byte, 40)...), "packet 2 at offset 84: length 12 is below 16"},
		{"lengths differ", raw(99, 16, 0, 0, 0, 0, 20, 0, 0, 0), "block at offset 84 after packet 1: length 16 at its beginning, 20 at its end"},
		{"lengths of a packet differ", append(enhanced(36, 0, 4, 4), 9, 0, 0, 0), "packet 2 at offset 84: length 36 at its beginning, 9 at its end"},
		{"interface of absurd length", raw(1, 1<<30, make([]byte, 40)...), "block at offset 84 after packet 1: length 1073741824 exceeds 1179648"},
		{"secrets longer than their block", append(raw(10, 24), 'K', 'S', 'L', 'T', 9, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0, 0), "block at offset 84 after packet 1: length of secrets 9 exceeds the 4 bytes of its block"},
		{"byte order of a section", raw(0x0a0d0d0a, 28, make([]byte, 20)...), "section at offset 84 after packet 1: byte order magic 00000000 is unknown"},
		{"version of a section", append(raw(0x0a0d0d0a, 28, 0x4d, 0x3c, 0x2b, 0x1a, 2, 0, 1, 0), make([]byte, 12)...), "block at offset 84 after packet 1: pcapng version 2.1 is not supported, only 1.x is"},
	}
	head := blocks(func(b *capturetest.Blocks) {
		b.Interface(1, 0)
		b.Enhanced(0, 1, []byte("data"), 4)
	})
	for _, tt := range tests {
		got := readFrom(t, bytes.NewReader(append(bytes.Clone(head), tt.tail...)))
		info := got.info(t)
		if want := "read capture -: " + tt.err; message(info.Err) != want || info.Torn != nil {
			t.Errorf("%s:\nerr  %v (torn %v)\nwant %s", tt.name, info.Err, info.Torn, want)
		}
		if len(got.packets) != 1 {
			t.Errorf("%s: %d packets, want the 1 before", tt.name, len(got.packets))
		}
	}
}

func TestPacketsBeforeAnyInterfaceAreAnError(t *testing.T) {
	for name, build := range map[string]func(b *capturetest.Blocks){
		"enhanced": func(b *capturetest.Blocks) { b.Enhanced(0, 1, []byte("data"), 4) },
		"simple":   func(b *capturetest.Blocks) { b.Simple([]byte("data"), 4) },
		"obsolete": func(b *capturetest.Blocks) { b.Obsolete(0, 0, 1, []byte("data"), 4) },
		"of the section before": func(b *capturetest.Blocks) {
			b.Interface(1, 0)
			b.Section()
			b.Simple([]byte("data"), 4)
		},
	} {
		info := readFrom(t, bytes.NewReader(blocks(build))).info(t)
		if !strings.Contains(message(info.Err), "interface 0 is not described, only 0 are so far") {
			t.Errorf("%s: err is %v", name, info.Err)
		}
	}
}

func TestInterfacesAndLinkTypesAreBounded(t *testing.T) {
	tests := []struct {
		n     int
		links uint32
		err   string
	}{
		{maxInterfaces, 1, ""},
		{maxInterfaces + 1, 1, fmt.Sprintf("more than %d interfaces in a section", maxInterfaces)},
		{maxFileLinks, 1 << 16, ""},
		{maxFileLinks + 1, 1 << 16, fmt.Sprintf("more than %d link types", maxFileLinks)},
	}
	for _, tt := range tests {
		got := readFrom(t, bytes.NewReader(blocks(func(b *capturetest.Blocks) {
			for i := range tt.n {
				b.Interface(uint32(i)%tt.links, 0)
			}
		})))
		err := message(got.info(t).Err)
		if tt.err == "" && err != "" || !strings.HasSuffix(err, tt.err) {
			t.Errorf("%d interfaces: err is %q, want %q", tt.n, err, tt.err)
		}
	}
}

package tlsrecord

import (
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/kafkavet/kafkavet/capture"
)

// rec returns a record with a body of n zero bytes.
func rec(kind byte, n int) []byte {
	b := make([]byte, headerSize+n)
	b[0], b[1], b[2], b[3], b[4] = kind, 3, 3, byte(n>>8), byte(n)
	return b
}

func concat(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// outlineRow is a Record without its position.
type outlineRow struct {
	Kind     RecordKind
	ToServer bool
	Size     int
	Guessed  bool
}

func linesOf(o *Outline) []outlineRow {
	records, _ := o.Records()
	var out []outlineRow
	for _, r := range records {
		out = append(out, outlineRow{r.Kind, r.ToServer, r.Size, r.Guessed})
	}
	return out
}

// TestOutline: records are found in any segments, and missing bytes are MissingRecords.
func TestOutline(t *testing.T) {
	sealed := rec(typeChangeCipher, 1)
	for name, c := range map[string]struct {
		feed func(o *Outline)
		want []outlineRow
	}{
		"plain handshake records are no part": {
			func(o *Outline) {
				o.Data(true, concat(rec(typeHandshake, 300), sealed, rec(typeHandshake, 40)), frame(1))
				o.Data(false, concat(rec(typeAlert, 2), rec(typeHeartbeat, 20), rec(typeData, 0)), frame(2))
			},
			[]outlineRow{{HandshakeRecord, true, 40, false}, {AlertRecord, false, 2, false}, {DataRecord, false, 0, false}},
		},
		"a byte at a time": {
			func(o *Outline) {
				for _, b := range concat(sealed, rec(typeData, 92), rec(typeAlert, 26)) {
					o.Data(true, []byte{b}, frame(1))
				}
			},
			[]outlineRow{{DataRecord, true, 92, false}, {AlertRecord, true, 26, false}},
		},
		"a body that a short snapshot length cuts": {
			func(o *Outline) {
				o.Data(true, sealed, frame(1))
				o.Data(true, rec(typeData, 92)[:30], frame(2))
				o.Gap(true, headerSize+92-30, frame(2))
				o.Data(true, rec(typeData, 20), frame(3))
			},
			[]outlineRow{{DataRecord, true, 92, false}, {DataRecord, true, 20, false}},
		},
		"a second record that a short snapshot length cuts": {
			func(o *Outline) {
				o.Data(false, sealed, frame(1))
				o.Data(false, rec(typeData, 28), frame(2))
				o.Gap(false, headerSize+300, frame(2))
				o.Data(false, rec(typeData, 20), frame(3))
			},
			[]outlineRow{{DataRecord, false, 28, false}, {DataRecord, false, 300, true}, {DataRecord, false, 20, false}},
		},
		"the rest of a header is missing": {
			func(o *Outline) {
				o.Data(false, sealed, frame(1))
				o.Data(false, rec(typeData, 300)[:3], frame(2))
				o.Gap(false, 302, frame(2))
				o.Data(false, rec(typeData, 20), frame(3))
			},
			[]outlineRow{{DataRecord, false, 300, true}, {DataRecord, false, 20, false}},
		},
		"many records are missing": {
			func(o *Outline) {
				o.Data(true, concat(sealed, rec(typeData, 92)), frame(1))
				o.Gap(true, 100_000, frame(2))
				o.Data(true, []byte("the middle of a record"), frame(2))
				o.Data(true, rec(typeData, 20), frame(3))
			},
			[]outlineRow{{DataRecord, true, 92, false}, {MissingRecord, true, 65535, false}, {DataRecord, true, 20, false}},
		},
		"a hole in the handshake is no record": {
			func(o *Outline) {
				o.Gap(false, 300, frame(1))
				o.Data(false, concat(sealed, rec(typeData, 20)), frame(2))
			},
			[]outlineRow{{MissingRecord, false, 300, false}, {DataRecord, false, 20, false}},
		},
		"no header where one should be": {
			func(o *Outline) {
				o.Data(true, concat(sealed, rec(typeData, 92), []byte("no record")), frame(1))
				o.Data(true, rec(typeData, 20), frame(2))
			},
			[]outlineRow{{DataRecord, true, 92, false}, {MissingRecord, true, 9, false}, {DataRecord, true, 20, false}},
		},
	} {
		o := NewOutline(false)
		c.feed(o)
		if diff := cmp.Diff(c.want, linesOf(o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestOutlineMidstream: the first bytes of each direction need not begin a record.
func TestOutlineMidstream(t *testing.T) {
	o := NewOutline(true)
	o.Data(true, []byte("the middle of a record"), frame(1))
	o.Data(true, rec(typeData, 92), frame(2))
	o.Data(false, rec(typeAlert, 26), frame(3))
	want := []outlineRow{{DataRecord, true, 92, false}, {AlertRecord, false, 26, false}}
	if diff := cmp.Diff(want, linesOf(o)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOutlineKeepsBothEnds: the middle records of a long connection are only counted.
func TestOutlineKeepsBothEnds(t *testing.T) {
	const n = 1000
	o := NewOutline(false)
	for i := range n {
		o.Data(i%2 == 0, rec(typeData, i+1), capture.Position{Frame: uint64(i), Time: int64(i) * int64(time.Millisecond), Capture: uint32(i / 500), Stream: uint32(7 + i/500)})
	}
	records, omitted := o.Records()
	if len(records) != firstRecords+lastRecords || omitted != n-firstRecords-lastRecords || o.FirstRecords() != firstRecords {
		t.Fatalf("%d records, %d omitted, %d first", len(records), omitted, o.FirstRecords())
	}
	for i, r := range records {
		at := i
		if i >= firstRecords {
			at = n - lastRecords + i - firstRecords
		}
		want := Record{
			At:       capture.Position{Frame: uint64(at), Time: int64(at) * int64(time.Millisecond), Capture: uint32(at / 500), Stream: uint32(7 + at/500)},
			ToServer: at%2 == 0, Size: at + 1,
		}
		if r != want {
			t.Errorf("record %d is %+v, want %+v", i, r, want)
		}
	}
	if size := unsafe.Sizeof(*o) + unsafe.Sizeof(outlined{})*uintptr(cap(o.first)+cap(o.last)); size > 1200 {
		t.Errorf("an Outline takes %d bytes", size)
	}
	more := rec(typeData, 100)
	if allocs := testing.AllocsPerRun(100, func() { o.Data(true, more, frame(n)) }); allocs > 0 {
		t.Errorf("%v allocations a record", allocs)
	}
}

// TestOutlineUnfinished: a record had not ended when the connection ended.
func TestOutlineUnfinished(t *testing.T) {
	o := NewOutline(false)
	o.Data(true, concat(rec(typeData, 20), rec(typeData, 92)[:30]), frame(1))
	if size, missing := o.Unfinished(true); size != 92 || missing != headerSize+92-30 {
		t.Errorf("%d bytes, %d missing", size, missing)
	}
	if size, missing := o.Unfinished(false); size != 0 || missing != 0 {
		t.Errorf("other direction: %d bytes, %d missing", size, missing)
	}
	o.Data(true, make([]byte, 100), frame(2))
	if size, _ := o.Unfinished(true); size != 0 {
		t.Errorf("%d bytes after its end", size)
	}
}

// TestOutlineOrdersCaptures: where two captures have one direction each, times order the records. A
// time is that of the packet, also after days.
func TestOutlineOrdersCaptures(t *testing.T) {
	o := NewOutline(false)
	begin := time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC).UnixNano()
	at := func(later time.Duration, capt uint32) capture.Position {
		return capture.Position{Frame: 1, Capture: capt, Time: begin + int64(later)}
	}
	want := []capture.Position{at(0, 1), at(3*time.Microsecond, 0), at(9*time.Microsecond, 1), at(250*time.Hour, 0)}
	for _, i := range []int{0, 2, 1, 3} {
		o.Data(want[i].Capture == 0, rec(typeData, 20), want[i])
	}
	records, _ := o.Records()
	for i, r := range records {
		if r.At != want[i] {
			t.Errorf("record %d: %+v, want %+v", i, r.At, want[i])
		}
	}
}

// TestOutlineKeepsTheOrderOfADirection: segments that were captured in another order.
func TestOutlineKeepsTheOrderOfADirection(t *testing.T) {
	o := NewOutline(false)
	o.Data(false, rec(typeData, 180), frame(3))
	o.Data(false, rec(typeData, 272), frame(2))
	o.Data(true, rec(typeData, 92), frame(4))
	records, _ := o.Records()
	for i, want := range []Record{{At: frame(3), Size: 180}, {At: frame(3), Size: 272}, {At: frame(4), Size: 92, ToServer: true}} {
		if records[i] != want {
			t.Errorf("record %d: %+v, want %+v", i, records[i], want)
		}
	}
}

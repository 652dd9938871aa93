package capture

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readBack reads a written capture and removes the comments.
func readBack(t *testing.T, data []byte) ([]Packet, Info) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "written.pcapng")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := Open([]string{name}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var packets []Packet
	for {
		var b Batch
		err := src.Next(&b)
		if err == io.EOF {
			return packets, src.Captures()[0]
		}
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, b.Packets...)
	}
}

func TestWriterRoundTrip(t *testing.T) {
	interfaces := []Interface{
		{Name: "eth0", Link: LinkTypeEthernet, SnapLen: 262144, Resolution: 9},
		{Link: LinkTypeLinuxSLL2, Resolution: 6},
		{Name: "x", Link: LinkTypeRaw, SnapLen: 96, Resolution: 0},
	}
	const second = int64(1_790_000_000) * 1e9
	want := []Packet{
		{Position: Position{Frame: 1, Time: second + 123456789}, Data: []byte("one"), Length: 3, Link: LinkTypeEthernet},
		{Position: Position{Frame: 2, Time: second + 5_000_000}, Data: []byte("second"), Length: 1500, Link: LinkTypeLinuxSLL2, Interface: 1},
		{Position: Position{Frame: 3, Time: second}, Data: []byte{}, Length: 60, Link: LinkTypeRaw, Interface: 2},
		{Position: Position{Frame: 4, Time: second + 7}, Data: bytes.Repeat([]byte{7}, 65536), Length: 65536, Link: LinkTypeEthernet},
	}
	comments := []string{"", "KV1001 Fetch v12, advertised 4-7", "ein Umlaut: ä", strings.Repeat("long", 20_000)}
	var out bytes.Buffer
	w := NewWriter(&out, "kafkavet test", "all of it")
	for n, i := range interfaces {
		if got, err := w.AddInterface(i); err != nil || int(got) != n {
			t.Fatalf("interface %d: %d, %v", n, got, err)
		}
	}
	for i := range want {
		if err := w.WritePacket(want[i].Interface, &want[i], comments[i]); err != nil {
			t.Fatal(err)
		}
	}
	got, info := readBack(t, out.Bytes())
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("packets (-written +read):\n%s", d)
	}
	if d := cmp.Diff(interfaces, info.Interfaces); d != "" || info.Torn != nil || info.Err != nil {
		t.Errorf("%v %v, interfaces (-written +read):\n%s", info.Torn, info.Err, d)
	}
	for _, text := range []string{comments[1], comments[2], "kafkavet test", "all of it"} {
		if !bytes.Contains(out.Bytes(), []byte(text)) {
			t.Errorf("%q is not in the file", text)
		}
	}
}

func TestWriterOfNothingMakesACapture(t *testing.T) {
	var out bytes.Buffer
	NewWriter(&out, "", "")
	if packets, info := readBack(t, out.Bytes()); len(packets) != 0 || info.Err != nil || info.Torn != nil || info.Format != "pcapng" {
		t.Errorf("%d packets, %+v", len(packets), info)
	}
}

// full is a writer with room for that many bytes.
type full struct{ room int }

var errFull = errors.New("no space left on device")

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return 0, errFull
	}
	f.room -= len(p)
	return len(p), nil
}

func TestWriterKeepsItsFirstError(t *testing.T) {
	for room := range 160 {
		w := NewWriter(&full{room}, "kafkavet", "")
		_, _ = w.AddInterface(Interface{Link: LinkTypeEthernet})
		err := w.WritePacket(0, &Packet{Data: make([]byte, 100)}, "")
		if !errors.Is(err, errFull) || w.Err() != err || w.WritePacket(9, &Packet{}, "") != err {
			t.Fatalf("room %d: %v, kept %v", room, err, w.Err())
		}
	}
}

func TestWriterRefusesWhatTheFormatCannotHold(t *testing.T) {
	w := NewWriter(io.Discard, "", "")
	if err := w.WritePacket(0, &Packet{}, ""); err == nil || err.Error() != "write pcapng: interface 0 is not described, only 0 are" {
		t.Errorf("a packet without interface: %v", err)
	}
	w = NewWriter(io.Discard, "", "")
	if _, err := w.AddInterface(Interface{Link: 1 << 16}); err == nil || err.Error() != "write pcapng: link type 65536 exceeds 65535" {
		t.Errorf("a link type of 17 bits: %v", err)
	}
}

func TestWriterAllocatesNothingPerPacket(t *testing.T) {
	w := NewWriter(io.Discard, "", "")
	if _, err := w.AddInterface(Interface{Link: LinkTypeEthernet, Resolution: 9}); err != nil {
		t.Fatal(err)
	}
	p := Packet{Data: make([]byte, 1500), Length: 1500}
	_ = w.WritePacket(0, &p, "")
	if n := testing.AllocsPerRun(100, func() { _ = w.WritePacket(0, &p, "") }); n > 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}

package capturetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/pcapgo"
)

// sample returns a few packets with odd lengths, a cut one, and times with nanoseconds.
func sample() []Packet {
	var packets []Packet
	for i, n := range []int{60, 61, 62, 63, 1514} {
		packets = append(packets, Packet{
			Time: Start + int64(i)*1_000_000_789, Link: LinkEthernet,
			Data: bytes.Repeat([]byte{byte(i + 1)}, n), OrigLen: n,
		})
	}
	packets[3].OrigLen = 9000
	return packets
}

// truncated cuts times to a unit in nanoseconds.
func truncated(packets []Packet, unit int64) []Packet {
	var out []Packet
	for _, p := range packets {
		p.Time -= p.Time % unit
		out = append(out, p)
	}
	return out
}

func TestPcapRoundTrip(t *testing.T) {
	for _, f := range []Pcap{
		{}, {BigEndian: true}, {Nano: true}, {BigEndian: true, Nano: true},
		{Modified: true}, {BigEndian: true, Modified: true}, {SnapLen: 96},
	} {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			want := truncated(sample(), 1000)
			if f.Nano {
				want = sample()
			}
			got, err := Read(f.Encode(sample()))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPcapngRoundTrip(t *testing.T) {
	mixed := append(sample(), Packet{Time: Start, Link: LinkSLL2, Data: []byte{1, 2, 3}, OrigLen: 3, Comment: "why"})
	for _, f := range []Pcapng{
		{}, {BigEndian: true}, {Block: BlockObsolete}, {Section: 2}, {BigEndian: true, Section: 1},
		{Resolution: 9}, {Resolution: 9, Offset: -3600}, {Resolution: 6, Offset: 1_700_000_000},
		{Resolution: 3}, {KeyLog: []byte("CLIENT_RANDOM 00 11\n")}, {Dropped: 17},
	} {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			unit := map[byte]int64{0: 1000, 3: 1_000_000, 6: 1000, 9: 1}[f.Resolution]
			got, err := Read(f.Encode(mixed))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(truncated(mixed, unit), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPcapngBinaryResolutionLosesLessThanItsUnit(t *testing.T) {
	got, err := Read(Pcapng{Resolution: 0x80 | 20}.Encode(sample()))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range sample() {
		if late := p.Time - got[i].Time; late < 0 || late > 954+1 {
			t.Errorf("packet %d: %d ns early with units of 2^-20 s", i, late)
		}
	}
}

func TestPcapngSimpleBlocksKeepOnlyBytesAndLength(t *testing.T) {
	packets := sample()[:3]
	got, err := Read(Pcapng{Block: BlockSimple}.Encode(packets))
	if err != nil {
		t.Fatal(err)
	}
	for i := range packets {
		packets[i].Time = 0
	}
	if d := cmp.Diff(packets, got); d != "" {
		t.Error(d)
	}
}

func TestTornFileIsAnError(t *testing.T) {
	for name, data := range map[string][]byte{
		"pcap":          Pcap{}.Encode(sample()[:2]),
		"pcap modified": Pcap{Modified: true}.Encode(sample()[:2]),
		"pcapng":        Pcapng{}.Encode(sample()[:2]),
	} {
		whole := 0
		for n := range data {
			if packets, err := Read(data[:n]); err == nil {
				whole++
			} else if len(packets) > 1 {
				t.Errorf("%s cut at %d: %d packets of 2 before the tear", name, n, len(packets))
			}
		}
		if whole > 3 { // after the header, the interface, the first packet
			t.Errorf("%s: %d cuts went unnoticed", name, whole)
		}
	}
}

func TestOtherReaderAgrees(t *testing.T) {
	want := sample()
	ng, err := pcapgo.NewNgReader(bytes.NewReader(Pcapng{Resolution: 9}.Encode(want)), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	classic, err := pcapgo.NewReader(bytes.NewReader(Pcap{Nano: true}.Encode(want)))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range want {
		a, ai, errA := ng.ReadPacketData()
		b, bi, errB := classic.ReadPacketData()
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if !bytes.Equal(a, p.Data) || !bytes.Equal(b, p.Data) {
			t.Errorf("packet %d: other bytes", i)
		}
		if ai.Timestamp.UnixNano() != p.Time || bi.Timestamp.UnixNano() != p.Time || ai.Length != p.OrigLen || bi.Length != p.OrigLen {
			t.Errorf("packet %d: pcapng %v, pcap %v, want time %d, length %d", i, ai, bi, p.Time, p.OrigLen)
		}
	}
}

func TestMergeOrdersByTime(t *testing.T) {
	a, b := sample()[:2], sample()[:3]
	b[0].Comment = "second"
	got := Merge(a, b)
	for i := 1; i < len(got); i++ {
		if got[i].Time < got[i-1].Time {
			t.Errorf("packet %d is earlier than the one before it", i)
		}
	}
	if len(got) != 5 || got[0].Comment != "" || got[1].Comment != "second" {
		t.Errorf("%d packets, the first two commented %q and %q", len(got), got[0].Comment, got[1].Comment)
	}
}

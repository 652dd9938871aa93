package capture

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// record returns a record header of a little-endian pcap file and its data.
func record(seconds, fraction, captured, length uint32, data ...byte) []byte {
	var b []byte
	for _, v := range []uint32{seconds, fraction, captured, length} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, data...)
}

// pcapHead returns a little-endian pcap file header.
func pcapHead(major, minor uint16, snap, link uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, pcapMicro)
	b = binary.LittleEndian.AppendUint16(b, major)
	b = binary.LittleEndian.AppendUint16(b, minor)
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = binary.LittleEndian.AppendUint32(b, snap)
	return binary.LittleEndian.AppendUint32(b, link)
}

func TestPcapFields(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want Packet
	}{
		{
			"a captured length above the length on the wire",
			append(pcapHead(2, 4, 262144, 1), record(1, 2, 3, 2, 'a', 'b', 'c')...),
			Packet{Position: Position{Frame: 1, Time: 1_000_002_000}, Data: []byte("abc"), Length: 3, Link: 1},
		},
		{
			"a snapshot length of 0 is no limit",
			append(pcapHead(2, 4, 0, 1), record(1, 2, 3, 4, 'a', 'b', 'c')...),
			Packet{Position: Position{Frame: 1, Time: 1_000_002_000}, Data: []byte("abc"), Length: 4, Link: 1},
		},
		{
			"a snapshot length below the captured length is no limit",
			append(pcapHead(2, 4, 2, 1), record(1, 2, 3, 4, 'a', 'b', 'c')...),
			Packet{Position: Position{Frame: 1, Time: 1_000_002_000}, Data: []byte("abc"), Length: 4, Link: 1},
		},
		{
			"an absurd snapshot length sizes nothing",
			append(pcapHead(2, 4, 1<<32-1, 1), record(1, 2, 3, 4, 'a', 'b', 'c')...),
			Packet{Position: Position{Frame: 1, Time: 1_000_002_000}, Data: []byte("abc"), Length: 4, Link: 1},
		},
		{
			"a link type above 255",
			append(pcapHead(2, 4, 65535, 276), record(1, 2, 0, 0)...),
			Packet{Position: Position{Frame: 1, Time: 1_000_002_000}, Link: LinkTypeLinuxSLL2},
		},
		{
			"the length of the frame check sequence beside the link type",
			append(pcapHead(2, 4, 65535, 0x2400_0001), record(1, 2, 0, 0)...),
			Packet{Position: Position{Frame: 1, Time: 1_000_002_000}, Link: LinkTypeEthernet},
		},
		{
			"version 2.3 with the lengths swapped",
			append(pcapHead(2, 3, 65535, 1), record(1, 2, 60, 3, 'a', 'b', 'c')...),
			Packet{Position: Position{Frame: 1, Time: 1_000_002_000}, Data: []byte("abc"), Length: 60, Link: 1},
		},
		{
			"the last second that fits",
			append(pcapHead(2, 4, 65535, 1), record(1<<32-1, 999_999, 0, 0)...),
			Packet{Position: Position{Frame: 1, Time: 4_294_967_295_999_999_000}, Link: 1},
		},
	}
	for _, tt := range tests {
		got := readFrom(t, bytes.NewReader(tt.data))
		got.sound(t)
		samePackets(t, tt.name, []Packet{tt.want}, got.packets)
	}
}

func TestPcapErrorsNamePacketOffsetAndLimit(t *testing.T) {
	good := record(1, 2, 3, 3, 'a', 'b', 'c')
	tests := []struct {
		name    string
		data    []byte
		packets int
		err     string
	}{
		{
			"absurd captured length in the middle",
			bytes.Join([][]byte{pcapHead(2, 4, 65535, 1), good, good, record(1, 2, 1<<32-1, 4), good}, nil),
			2, "read capture -: packet 3 at offset 62: captured length 4294967295 exceeds 1048576",
		},
		{
			"captured length one above the limit",
			bytes.Join([][]byte{pcapHead(2, 4, 65535, 1), record(1, 2, maxPacket+1, maxPacket+1)}, nil),
			0, "read capture -: packet 1 at offset 24: captured length 1048577 exceeds 1048576",
		},
		{
			"version 3",
			append(pcapHead(3, 1, 65535, 1), good...),
			0, "read capture -: pcap version 3.1 is not supported, only 2.x is",
		},
	}
	for _, tt := range tests {
		got := readFrom(t, bytes.NewReader(tt.data))
		if info := got.info(t); message(info.Err) != tt.err || info.Torn != nil {
			t.Errorf("%s:\nerr  %v (torn %v)\nwant %s", tt.name, info.Err, info.Torn, tt.err)
		}
		if len(got.packets) != tt.packets {
			t.Errorf("%s: %d packets, want %d", tt.name, len(got.packets), tt.packets)
		}
	}
}

func TestPcapTearsSayWhereAndHowMuch(t *testing.T) {
	packets := []capturetest.Packet{{Link: 1, Data: make([]byte, 60)}, {Link: 1, Data: make([]byte, 100)}}
	data := capturetest.Pcap{}.Encode(packets)
	for keep, want := range map[int]string{
		10:            "read capture -: file header breaks off: 10 of 24 bytes",
		24 + 76 + 5:   "read capture -: packet 2 at offset 100 breaks off in its header: 5 of 16 bytes",
		24 + 76 + 16:  "read capture -: packet 2 at offset 100 breaks off: 16 of 116 bytes",
		len(data) - 1: "read capture -: packet 2 at offset 100 breaks off: 115 of 116 bytes",
	} {
		info := readFrom(t, bytes.NewReader(data[:keep])).info(t)
		if message(info.Torn) != want || info.Err != nil {
			t.Errorf("%d bytes:\ntorn %v (err %v)\nwant %s", keep, info.Torn, info.Err, want)
		}
	}
}

func TestFirstAndLastAreTheEarliestAndLatest(t *testing.T) {
	var packets []capturetest.Packet
	for _, at := range []int64{5, 3, 9, 4} {
		packets = append(packets, capturetest.Packet{Time: at * 1000, Link: 1})
	}
	for name, data := range encodings(packets) {
		if info := readFrom(t, bytes.NewReader(data)).info(t); info.First != 3000 || info.Last != 9000 {
			t.Errorf("%s: first %d, last %d, want 3000 and 9000", name, info.First, info.Last)
		}
	}
}

// TestVersionWithTurnedBytesIsRead: some writers swap the bytes of the version only.
func TestVersionWithTurnedBytesIsRead(t *testing.T) {
	for _, big := range []bool{false, true} {
		data := capturetest.Pcap{BigEndian: big}.Encode(sample(3))
		data[4], data[5], data[6], data[7] = data[5], data[4], data[7], data[6]
		got := readFrom(t, bytes.NewReader(data))
		got.sound(t)
		if len(got.packets) != 3 {
			t.Errorf("big-endian %v: %d packets", big, len(got.packets))
		}
	}
}

//go:build !libpcap

package capture

import (
	"bytes"
	"encoding/hex"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCookedPacketsKeepTheirTags compares packets from SOCK_DGRAM sockets with the original
// packets. What the kernel returns depends on its version and the packet's path.
func TestCookedPacketsKeepTheirTags(t *testing.T) {
	ip4 := "4500001c000000004006000001020304050607080123238400000000"
	long4 := "45000800" + ip4[8:]
	ip6 := "6000000000080640" + "20010db8000000000000000000000001" + "20010db8000000000000000000000002" + "0123238400000000"
	for _, c := range []struct {
		name            string
		tag             bool
		tci             uint16
		protocol        uint16
		packet, want    string
		wantProtocolHex string
	}{
		{"no tag", false, 0, 0x0800, ip4, ip4, "0800"},
		{"a tag taken off", true, 0x6005, 0x0800, ip4, "60050800" + ip4, "8100"},
		{"a tag taken off IPv6", true, 5, 0x86dd, ip6, "000586dd" + ip6, "8100"},
		{"a length that looks like a type", true, 5, 0x0800, long4 + string(bytes.Repeat([]byte("00"), 2048-28)), "00050800" + long4 + string(bytes.Repeat([]byte("00"), 2048-28)), "8100"},
		{"two tags, one taken off, before 6.11", true, 5, 0x8100, "00060800" + ip4, "00058100" + "00060800" + ip4, "8100"},
		{"two tags, one taken off, since 6.11", true, 5, 0x0800, "00060800" + ip4, "00058100" + "00060800" + ip4, "8100"},
		{"the same of IPv6", true, 5, 0x86dd, "000686dd" + ip6, "00058100" + "000686dd" + ip6, "8100"},
		{"a tag within that the kernel tells", true, 5, 0x0800, "00050800" + ip4, "00050800" + ip4, "8100"},
		{"two tags within", true, 5, 0x0800, "0005810000060800" + ip4, "0005810000060800" + ip4, "8100"},
		{"a tag within that it does not tell", false, 0, 0x8100, "00050800" + ip4, "00050800" + ip4, "8100"},
		{"a tag lost, before 6.11", false, 0, 0x8100, ip4, ip4, "0800"},
		{"a tag lost of IPv6, before 6.11", false, 0, 0x8100, ip6, ip6, "86dd"},
		{"something else, tagged", true, 5, 0x0806, "0001", "00050806" + "0001", "8100"},
	} {
		packet, err := hex.DecodeString(c.packet)
		if err != nil {
			t.Fatal(err)
		}
		m := append(make([]byte, 100), packet...)
		h := &unix.Tpacket3Hdr{Snaplen: uint32(len(packet))}
		if c.tag {
			h.Status = unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID
			h.Hv1.Vlan_tci, h.Hv1.Vlan_tpid = uint32(c.tci), etherTypeVLAN
		}
		from := &unix.RawSockaddrLinklayer{Protocol: networkOrder(c.protocol), Ifindex: 3, Hatype: 1, Pkttype: 4, Halen: 6}
		begin := cook(m, 100, h, from)
		want := c.wantProtocolHex + "0000" + "00000003" + "0001" + "04" + "06" + "0000000000000000" + c.want
		if got := hex.EncodeToString(m[begin:]); got != want {
			t.Errorf("%s:\n %s, want\n %s", c.name, got, want)
		}
	}
}

func TestTagTypeOfOldKernelsIs8021Q(t *testing.T) {
	m := append(make([]byte, 10), "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x08\x00rest"...)
	h := &unix.Tpacket3Hdr{Status: unix.TP_STATUS_VLAN_VALID, Snaplen: uint32(len(m) - 10)}
	h.Hv1.Vlan_tci = 0x2007
	begin := tag(m, 10, h)
	if want := "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x81\x00\x20\x07\x08\x00rest"; string(m[begin:]) != want {
		t.Errorf("%x, want %x", m[begin:], want)
	}
}

func TestBlocksAreManyAndLarge(t *testing.T) {
	for ring, want := range map[int]int{MinBuffer: 128 << 10, 4 << 20: 256 << 10, DefaultBuffer: 1 << 20, MaxBuffer: 1 << 20, 15 << 20: 512 << 10} {
		got := blockSize(ring)
		if got != want || ring/got < minRingBlocks {
			t.Errorf("a ring of %d bytes has blocks of %d, want %d", ring, got, want)
		}
	}
}

package tlsrecord

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kafkavet/kafkavet/capture"
)

// recorded is one TCP connection of a capture file.
type recorded struct {
	stream  int
	session *Session
	next    [2]uint32 // sequence numbers by direction
	client  netip.AddrPort
	kafka   kafkaRequests
	pieces  []piece // payloads in order
}

// kafkaRequests collects the Kafka requests in plaintext.
type kafkaRequests struct {
	stream  int
	pending []byte
	lines   []string
}

func (k *kafkaRequests) Plaintext(toServer bool, p []byte, at capture.Position) {
	if !toServer {
		return
	}
	k.pending = append(k.pending, p...)
	for len(k.pending) >= 12 {
		n := 4 + int(binary.BigEndian.Uint32(k.pending))
		if len(k.pending) < n {
			return
		}
		b := k.pending
		k.lines = append(k.lines, fmt.Sprintf("%d\t%d\t%d\t%d\t%d", at.Frame, k.stream,
			binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint32(b[8:])))
		k.pending = k.pending[n:]
	}
}

func (k *kafkaRequests) PlaintextGap(bool, int64, bool, capture.Position) {
	k.lines = append(k.lines, "gap")
}

// readCapture feeds the TCP connections of an Ethernet/IPv4 pcap file to sessions. It supports
// only captures of a loopback interface: in order and complete.
func readCapture(t *testing.T, name string, secrets *Secrets) (all []*recorded) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if binary.LittleEndian.Uint32(b[20:]) != 1 {
		t.Fatalf("%s is not of Ethernet", name)
	}
	conns := map[[2]netip.AddrPort]*recorded{}
	b = b[24:]
	for frame := uint64(1); len(b) > 0; frame++ {
		n := binary.LittleEndian.Uint32(b[8:])
		ip := b[16+14 : 16+n]
		b = b[16+n:]
		ip = ip[:binary.BigEndian.Uint16(ip[2:])]
		tcp := ip[int(ip[0]&15)*4:]
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), binary.BigEndian.Uint16(tcp))
		dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), binary.BigEndian.Uint16(tcp[2:]))
		key := [2]netip.AddrPort{src, dst}
		if dst.Compare(src) < 0 {
			key = [2]netip.AddrPort{dst, src}
		}
		c := conns[key]
		if c == nil {
			c = &recorded{stream: len(all), client: src}
			c.kafka.stream = c.stream
			c.session = NewSession(secrets, &c.kafka, nil)
			conns[key] = c
			all = append(all, c)
		}
		c.segment(t, src == c.client, tcp, capture.Position{Frame: frame})
	}
	for _, c := range all {
		c.session.End(capture.Position{Frame: 1 << 40})
	}
	return all
}

func (c *recorded) segment(t *testing.T, toServer bool, tcp []byte, at capture.Position) {
	i, seq := index(toServer), binary.BigEndian.Uint32(tcp[4:])
	payload := tcp[int(tcp[12]>>4)*4:]
	if tcp[13]&2 != 0 {
		c.next[i] = seq + 1
		return
	}
	if len(payload) > 0 {
		if seq != c.next[i] {
			t.Fatalf("packet %d is out of order", at.Frame)
		}
		c.session.Data(toServer, payload, at)
		c.pieces = append(c.pieces, piece{toServer, payload})
		c.next[i] += uint32(len(payload))
	}
	if tcp[13]&5 != 0 {
		c.session.Close(toServer, at)
	}
}

// TestRealCaptures compares with tshark's results for real librdkafka connections.
func TestRealCaptures(t *testing.T) {
	for _, version := range []string{"12", "13"} {
		t.Run("tls"+version, func(t *testing.T) {
			base := filepath.Join("..", "..", "testdata")
			name := "confluent-go-2.6.0_broker-2.1_tls" + version
			keys, err := os.Open(filepath.Join(base, "captures", name+".keys"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = keys.Close() }()
			secrets := NewSecrets()
			if _, err := secrets.ReadKeyLog(keys, name, func(err error) { t.Error(err) }); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range readCapture(t, filepath.Join(base, "captures", name+".pcap"), secrets) {
				info := c.session.Info()
				if info.Reason != "" || info.Undecrypted > 0 || !info.Established {
					t.Errorf("stream %d: %+v", c.stream, info)
				}
				got = append(got, c.kafka.lines...)
			}
			oracle, err := os.ReadFile(filepath.Join(base, "oracle", name+".requests.tsv"))
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSpace(string(oracle)), "\n")
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("requests differ (-tshark +got):\n%s", diff)
			}
		})
	}
}

package reassembly

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// forge records a segment of direction d that its end system did not send. seq and ack are
// relative to what both sides have sent.
func forge(r *capturetest.Recorder, c *capturetest.Conversation, d capturetest.Direction, flags uint8, seq, ack int, data string) {
	h := capturetest.TCPHeader{Seq: c.Seq[d] + uint32(seq), Ack: c.Seq[d.Reverse()] + uint32(ack), Flags: flags}
	r.Record(capturetest.TCP(c.Endpoints[d], c.Endpoints[d.Reverse()], h, []byte(data)))
}

// TestBothSidesGoOn forges packets in the middle of a connection. Both sides go on, so all of
// their requests are found.
func TestBothSidesGoOn(t *testing.T) {
	const toBroker, toClient = capturetest.ToBroker, capturetest.ToClient
	const syn, ack, fin, rst = capturetest.SYN, capturetest.ACK, capturetest.FIN, capturetest.RST
	const far = 1 << 29
	junk := string(request(1, 12, 99, 10))
	for name, forged := range map[string]func(r *capturetest.Recorder, c *capturetest.Conversation){
		"two FINs, acknowledged": func(r *capturetest.Recorder, c *capturetest.Conversation) {
			forge(r, c, toBroker, fin|ack, 0, 0, "")
			forge(r, c, toClient, fin|ack, 0, 1, "")
			forge(r, c, toBroker, ack, 1, 1, "")
		},
		"a RST long before": func(r *capturetest.Recorder, c *capturetest.Conversation) {
			forge(r, c, toClient, rst, 0, 0, "")
			r.Wait(10e9)
			r.Open(netip.AddrPortFrom(client.Addr(), 1), broker) // time passes
			r.Wait(10e9)
		},
		"a RST and a SYN": func(r *capturetest.Recorder, c *capturetest.Conversation) {
			forge(r, c, toClient, rst, 0, 0, "")
			forge(r, c, toBroker, syn, far, 0, "")
		},
		"a handshake and a request": func(r *capturetest.Recorder, c *capturetest.Conversation) {
			forge(r, c, toBroker, syn, far, 0, "")
			forge(r, c, toClient, syn|ack, far, far+1, "")
			forge(r, c, toBroker, ack, far+1, far+1, "")
			forge(r, c, toBroker, ack, far+1, far+1, "GET / HTTP/1.1\r\n\r\n")
		},
		"a SYN one byte before":              func(r *capturetest.Recorder, c *capturetest.Conversation) { forge(r, c, toClient, syn, -1, 0, "") },
		"a SYN with an answer of the client": func(r *capturetest.Recorder, c *capturetest.Conversation) { forge(r, c, toBroker, syn|ack, 0, 0, "") },
		"a request that acknowledges too much": func(r *capturetest.Recorder, c *capturetest.Conversation) {
			forge(r, c, toBroker, ack, 0, 1, junk)
		},
		"a request that acknowledges too much, long before": func(r *capturetest.Recorder, c *capturetest.Conversation) {
			forge(r, c, toBroker, ack, 0, 1<<20, junk)
			c.Ack(toClient)
			r.Wait(10e9)
			r.Open(netip.AddrPortFrom(client.Addr(), 1), broker)
			r.Wait(10e9)
		},
		"a request that acknowledges what was before the connection": func(r *capturetest.Recorder, c *capturetest.Conversation) {
			forge(r, c, toBroker, ack, 0, -1<<20, junk)
		},
		"a SYN with an answer that acknowledges too much": func(r *capturetest.Recorder, c *capturetest.Conversation) { forge(r, c, toBroker, syn|ack, 0, far, "") },
		"a request without ACK":                           func(r *capturetest.Recorder, c *capturetest.Conversation) { forge(r, c, toBroker, 0, 0, 0, junk) },
		"a FIN without ACK":                               func(r *capturetest.Recorder, c *capturetest.Conversation) { forge(r, c, toBroker, fin, 0, 0, "") },
		"a FIN":                                           func(r *capturetest.Recorder, c *capturetest.Conversation) { forge(r, c, toBroker, fin|ack, 0, 0, "") },
		"a FIN of the broker":                             func(r *capturetest.Recorder, c *capturetest.Conversation) { forge(r, c, toClient, fin|ack, 0, 0, "") },
		"a FIN inside the next request":                   func(r *capturetest.Recorder, c *capturetest.Conversation) { forge(r, c, toBroker, fin|ack, 1, 0, "") },
		"a FIN inside a later request":                    func(r *capturetest.Recorder, c *capturetest.Conversation) { forge(r, c, toBroker, fin|ack, 40, 0, "") },
		"a FIN that acknowledges too much": func(r *capturetest.Recorder, c *capturetest.Conversation) {
			forge(r, c, toBroker, fin|ack, 0, 1<<20, "")
		},
	} {
		for _, batch := range []int{1, 100} {
			r := capturetest.NewRecorder()
			r.Open(client, netip.AddrPortFrom(broker.Addr(), 1)).Exchange(request(3, 1, 50, 10), response(50, 0))
			c := r.Open(client, broker)
			var want []string
			for i := range uint32(6) {
				if i == 3 {
					forged(r, c)
				}
				c.Exchange(request(3, 1, i, 10), response(i, 20))
				want = append(want, fmt.Sprintf("request 3 v1 id %d size 24", i), fmt.Sprintf("response %d size 24", i))
			}
			got := run(t, r.Packets, batch)
			lines := slices.DeleteFunc(withoutFrames(got.lines), func(l string) bool { return strings.Contains(l, " 50 ") })
			for i, l := range lines {
				lines[i] = bare(l)
			}
			slices.Sort(want)
			if slices.Sort(lines); !slices.Equal(lines, want) || got.stats.Disbelieved == 0 {
				t.Errorf("%s, in batches of %d: %d not believed, %q", name, batch, got.stats.Disbelieved, lines)
			}
		}
	}
}

// TestBlindPacketsBeforeAConnection: whatever anyone sent between these ports before, or right
// after the SYN, the handshake that completes begins the connection.
func TestBlindPacketsBeforeAConnection(t *testing.T) {
	const toBroker, toClient = capturetest.ToBroker, capturetest.ToClient
	const syn, ack, fin, rst = capturetest.SYN, capturetest.ACK, capturetest.FIN, capturetest.RST
	for _, d := range []capturetest.Direction{toBroker, toClient} {
		for _, flags := range []uint8{0, syn, syn | ack, ack, rst, rst | ack, fin, fin | ack, 63} {
			for i := range 6 {
				after, number := i%3, []int{1 << 29, 1}[i/3] // packets of the handshake; distance
				if number == 1 && flags&(syn|ack) != syn {
					continue
				}
				name := fmt.Sprintf("flags %x of direction %d +%d after %d packets", flags, d, number, after)
				r := capturetest.NewRecorder()
				c := r.Between(client, broker)
				blind := func(n int) {
					if n == after {
						forge(r, c, d, flags, number, number, "")
						r.Wait(1e6)
					}
				}
				blind(0)
				c.Syn(toBroker)
				blind(1)
				c.Syn(toClient)
				blind(2)
				c.Ack(toBroker)
				for i := range uint32(3) {
					c.Exchange(request(3, 1, i, 10), response(i, 20))
				}
				got := run(t, r.Packets, 100)
				last := got.conns[len(got.conns)-1]
				for _, c := range got.conns {
					if c.Protocol == Kafka {
						last = c
					}
				}
				if count(got.lines, "request") != 3 || last.Broker != broker || last.Midstream {
					t.Errorf("%s: %q, broker %v, midstream %v", name, got.lines, last.Broker, last.Midstream)
				}
			}
		}
	}
}

// TestAnswersBeforeTheHandshake: the client does not believe what comes before the broker's SYN.
func TestAnswersBeforeTheHandshake(t *testing.T) {
	for _, distance := range []int{2, 100, 1 << 20, 1 << 29} {
		r := capturetest.NewRecorder()
		c := r.Between(client, broker)
		c.Syn(capturetest.ToBroker)
		forge(r, c, capturetest.ToClient, capturetest.ACK, distance, 0, string(response(0, 20)))
		c.Syn(capturetest.ToClient)
		c.Ack(capturetest.ToBroker)
		for i := range uint32(3) {
			c.Exchange(request(3, 1, i, 10), response(i, 20))
		}
		got := run(t, r.Packets, 100)
		if count(got.lines, "request") != 3 || count(got.lines, "response") != 3 || got.stats.Disbelieved == 0 {
			t.Errorf("%d bytes from the true number: %d not believed, %q", distance, got.stats.Disbelieved, got.lines)
		}
	}
}

// TestRefusalAcknowledgesTheSYN: a RST that does not is not of the broker.
func TestRefusalAcknowledgesTheSYN(t *testing.T) {
	for _, tc := range []struct {
		flags uint8
		ack   int
		want  bool
	}{{capturetest.RST | capturetest.ACK, 0, true}, {capturetest.RST | capturetest.ACK, 1, false}, {capturetest.RST, 0, false}} {
		r := capturetest.NewRecorder()
		c := r.Between(client, broker)
		c.Syn(capturetest.ToBroker)
		forge(r, c, capturetest.ToClient, tc.flags, 0, tc.ack, "")
		if got := run(t, r.Packets, 100); got.conns[0].Refused != tc.want {
			t.Errorf("flags %x, acknowledgement +%d: refused is %v", tc.flags, tc.ack, got.conns[0].Refused)
		}
	}
}

// TestTunnelOfAnAttacker: a segment that goes on with a connection, in a tunnel that the connection
// does not use, is no copy of it.
func TestTunnelOfAnAttacker(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 10), response(1, 20))
	n := len(r.Packets)
	forge(r, c, capturetest.ToBroker, capturetest.ACK, 0, 0, string(request(1, 12, 99, 10)))
	r.Packets[n] = capturetest.Encapsulate(r.Packets[n:], capturetest.VXLAN(4789, 7))[0]
	c.Exchange(request(3, 1, 2, 10), response(2, 20))
	if got := run(t, r.Packets, 100); count(got.lines, "request 3 v1") != 2 || got.conns[0].Bytes[ToBroker] != 2*28 {
		t.Errorf("%q", got.lines)
	}
}

// TestChecksumsOfOneSender: a wrong checksum proves something only if the sender's others are
// right. One packet that anyone can send does not change what they are.
func TestChecksumsOfOneSender(t *testing.T) {
	for name, tc := range map[string]struct{ own, forged func(p []byte) }{
		"wrong among right ones": {func([]byte) {}, func(tcp []byte) { tcp[16] ^= 1 }},
		"right among wrong ones": {func(tcp []byte) { tcp[16] ^= 1 }, func([]byte) {}},
		"0 among right ones":     {func([]byte) {}, func(tcp []byte) { tcp[16], tcp[17] = 0, 0 }},
		"right among zeros":      {func(tcp []byte) { tcp[16], tcp[17] = 0, 0 }, func([]byte) {}},
	} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.Exchange(request(3, 1, 1, 10), response(1, 20))
		n := len(r.Packets)
		forge(r, c, capturetest.ToBroker, capturetest.ACK, -38, 0, string(request(3, 1, 1, 10)))
		for i := range uint32(5) {
			c.Exchange(request(3, 1, i+2, 10), response(i+2, 20))
		}
		for i, p := range r.Packets {
			change := tc.own
			if i == n {
				change = tc.forged
			}
			change(p.Data[14+20:])
		}
		got := run(t, r.Packets, 100)
		if isWrong := got.stats.Disbelieved == 1; count(got.lines, "request") != 6 || isWrong != !strings.HasPrefix(name, "right") {
			t.Errorf("%s: %d not believed, %q", name, got.stats.Disbelieved, got.lines)
		}
	}
}

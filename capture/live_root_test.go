//go:build linux && root && !libpcap

package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// These tests need root: go test -tags root ./capture -run Live. Each runs in its own network
// namespace, which ends with the test.

// namespace moves the test to a new network namespace with loopback and a veth pair, kv0 and kv1.
func namespace(t testing.TB) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("these tests need root: unshare: %v", err)
	}
	ip(t, "link set lo up")
	// Prevents packets from the kernel on the pair.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	addVeth(t)
}

func addVeth(t testing.TB) {
	t.Helper()
	ip(t, "link add kv0 type veth peer name kv1")
	ip(t, "link set kv0 up")
	ip(t, "link set kv1 up")
}

func ip(t testing.TB, args string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v\n%s", args, err, out)
	}
	return string(out)
}

// live opens a capture that ends with the test.
func live(t testing.TB, o LiveOptions) *Live {
	t.Helper()
	if o.Warn == nil {
		o.Warn = func(err error) { t.Errorf("warning: %v", err) }
	}
	l, err := OpenLive(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// collect reads until there are n packets, or none arrived for half a second.
func collect(t testing.TB, l *Live, n int) []Packet {
	t.Helper()
	var b Batch
	var packets []Packet
	for last := time.Now(); len(packets) < n && time.Since(last) < 500*time.Millisecond; {
		if err := l.Next(&b); err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			packets = append(packets, p)
			last = time.Now()
		}
	}
	b.free()
	return packets
}

// expectNone fails the test if more packets arrive.
func expectNone(t testing.TB, l *Live) {
	t.Helper()
	if more := collect(t, l, 1); len(more) > 0 {
		t.Errorf("a packet too many: %x", more[0].Data)
	}
}

// sender returns a function that sends Ethernet frames on kv0.
func sender(t testing.TB) func(frame []byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	i, err := query(fd, "kv0")
	if err != nil {
		t.Fatal(err)
	}
	to := &unix.SockaddrLinklayer{Ifindex: i.index}
	return func(frame []byte) {
		for {
			err := unix.Sendto(fd, frame, 0, to)
			if err == nil {
				return
			}
			if err != unix.ENOBUFS && err != unix.EINTR {
				t.Errorf("send: %v", err)
				return
			}
		}
	}
}

// segment returns an Ethernet frame with a TCP segment of size bytes that begin with a number.
func segment(number, port, size int) []byte {
	b := make([]byte, 14+20+20+size)
	copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0})
	h := b[14:]
	h[0], h[8], h[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(h[2:], uint16(20+20+size))
	copy(h[12:], []byte{10, 77, 0, 1, 10, 77, 0, 2})
	binary.BigEndian.PutUint16(h[20:], 40000)
	binary.BigEndian.PutUint16(h[22:], uint16(port))
	binary.BigEndian.PutUint32(h[24:], uint32(number)) // sequence number
	h[32] = 5 << 4
	if size >= 4 {
		binary.BigEndian.PutUint32(h[40:], uint32(number))
	}
	return b
}

// tagged returns a frame with a VLAN tag.
func tagged(frame []byte, kind, tci uint16) []byte {
	b := bytes.Clone(frame[:12])
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, tci)
	return append(b, frame[12:]...)
}

func TestLivePacketsPassLoopbackOnce(t *testing.T) {
	namespace(t)
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		port := uint16(listener.Addr().(*net.TCPAddr).Port)
		for _, name := range []string{"lo", "any"} {
			l := live(t, LiveOptions{Interface: name, Filter: Filter{Ports: []uint16{port}}})
			c, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				fmt.Fprintf(c, "message %03d.", i)
			}
			c.Close()
			seen := map[string]int{}
			var text []byte
			d := NewDissector(DissectorOptions{})
			for _, p := range collect(t, l, 1<<20) {
				var s Segment
				if p.Data = slices.Clone(p.Data); !d.Segment(&p, &s) || !(s.SrcPort == port || s.DstPort == port) {
					t.Errorf("%s: not a segment of the connection: %x", name, p.Data)
				}
				seen[fmt.Sprint(s.SrcPort, s.Seq, s.Ack, s.Flags, s.Length)]++
				text = append(text, s.Payload...)
				if age := time.Since(time.Unix(0, p.Time)); age < 0 || age > time.Minute {
					t.Errorf("%s: time %v is not now", name, time.Unix(0, p.Time))
				}
			}
			for s, n := range seen {
				if n > 1 {
					t.Errorf("%s: segment %s was seen %d times", name, s, n)
				}
			}
			if !bytes.HasSuffix(text, []byte("message 099.")) || len(text) != 1200 {
				t.Errorf("%s: %d bytes were seen, want 1200", name, len(text))
			}
		}
	}
}

func TestLiveVLANTagsAreRestored(t *testing.T) {
	namespace(t)
	plain := segment(7, 9092, 300)
	frames := [][]byte{
		plain,
		tagged(plain, etherTypeVLAN, 0x6005), // with a priority
		tagged(plain, etherTypeQinQ, 0x0fff),
		tagged(tagged(plain, etherTypeVLAN, 6), etherTypeQinQ, 5),
	}
	ethernet := live(t, LiveOptions{Interface: "kv1", Filter: Filter{Ports: []uint16{9092}}})
	all := live(t, LiveOptions{Interface: "any", Filter: Filter{Ports: []uint16{9092}}})
	send := sender(t)
	for _, f := range frames {
		send(f)
	}
	got := collect(t, ethernet, len(frames))
	if len(got) != len(frames) {
		t.Fatalf("%d packets, want %d", len(got), len(frames))
	}
	d := NewDissector(DissectorOptions{})
	var domains []uint64
	for i, p := range got {
		if !bytes.Equal(p.Data, frames[i]) || int(p.Length) != len(frames[i]) || p.Link != LinkTypeEthernet {
			t.Errorf("frame %d: %d bytes of %s: %x\nwant %x", i, p.Length, p.Link, p.Data, frames[i])
		}
		var s Segment
		if !d.Segment(&p, &s) || s.Seq != 7 || s.Length != 300 {
			t.Errorf("frame %d: is not the segment that it was", i)
		}
		domains = append(domains, s.Domain)
	}
	cooked := map[byte][]uint64{} // by packet type: sent on kv0, received on kv1
	for _, p := range collect(t, all, 2*len(frames)) {
		if p.Link != LinkTypeLinuxSLL2 || int(p.Length) != len(p.Data) {
			t.Errorf("any: %d of %d bytes of %s", len(p.Data), p.Length, p.Link)
		}
		var s Segment
		if !d.Segment(&p, &s) || s.Seq != 7 || s.Length != 300 || len(s.Payload) != 300 {
			t.Errorf("any: is not the segment that it was: %x", p.Data)
		}
		cooked[p.Data[10]] = append(cooked[p.Data[10]], s.Domain)
	}
	// An outgoing packet begins at the IP header: of two tags the kernel reports the outer one.
	left := append(slices.Clone(domains[:3]), domains[1])
	want := map[byte][]uint64{packetOutgoing: left, unix.PACKET_OTHERHOST: domains}
	if diff := cmp.Diff(want, cooked); diff != "" {
		t.Errorf("any: the VLANs are not those on one interface: %s", diff)
	}
}

func TestLiveCookedHeaderNamesInterfaceAndSender(t *testing.T) {
	namespace(t)
	l := live(t, LiveOptions{Interface: "any"})
	sender(t)(segment(1, 9092, 100))
	kv0, _ := net.InterfaceByName("kv0")
	kv1, _ := net.InterfaceByName("kv1")
	// Linux: sent on kv0 (4), received on kv1 for another host (3).
	want := map[byte]int{packetOutgoing: kv0.Index, unix.PACKET_OTHERHOST: kv1.Index}
	got := collect(t, l, 2)
	if len(got) != 2 {
		t.Fatalf("%d packets, want 2", len(got))
	}
	for _, p := range got {
		header := []byte{8, 0, 0, 0, 0, 0, 0, byte(want[p.Data[10]]), 0, 1, p.Data[10], 6, 2, 0, 0, 0, 0, 2, 0, 0}
		if !bytes.Equal(p.Data[:20], header) || !bytes.Equal(p.Data[20:], segment(1, 9092, 100)[14:]) {
			t.Errorf("header %x, want %x, then %x", p.Data[:20], header, p.Data[20:])
		}
	}
}

func TestLiveSnapLengthCutsAndKeepsTheLength(t *testing.T) {
	namespace(t)
	for _, name := range []string{"kv1", "any"} {
		l := live(t, LiveOptions{Interface: name, SnapLen: 200})
		send := sender(t)
		header := 0
		if name == "any" {
			header = cookedHeader - ethernetHeader
		}
		for _, frame := range [][]byte{segment(1, 1, 100), segment(1, 1, 1000), tagged(segment(1, 1, 1000), etherTypeVLAN, 5)} {
			send(frame)
			for _, p := range collect(t, l, 1+header/6) {
				if want := len(frame) + header; int(p.Length) != want && p.Data[10] != packetOutgoing || len(p.Data) != min(want, 200) {
					t.Errorf("%s: %d of %d bytes, want %d of %d", name, len(p.Data), p.Length, min(want, 200), want)
				}
			}
		}
		if n := l.Captures()[0].Truncated; n != uint64(2*(1+header/6)) {
			t.Errorf("%s: %d packets were cut", name, n)
		}
	}
}

func TestLiveDropsAreCounted(t *testing.T) {
	namespace(t)
	l := live(t, LiveOptions{Interface: "kv1", BufferBytes: MinBuffer})
	send := sender(t)
	const sent = 6000 // of 1,500 bytes are 9 MB
	for i := range sent {
		send(segment(i, 9092, 1400))
	}
	got := collect(t, l, sent)
	stats := l.Captures()[0]
	if stats.Dropped == 0 || len(got) == 0 || uint64(len(got))+stats.Dropped != sent || stats.Packets != uint64(len(got)) {
		t.Errorf("%d packets and %d drops, want %d together, and some of each", len(got), stats.Dropped, sent)
	}
	for i, p := range got {
		if !bytes.Equal(p.Data, segment(i, 9092, 1400)) {
			t.Fatalf("packet %d is not the one that was sent", i)
		}
	}
	// The ring continues where it stopped.
	send(segment(sent, 9092, 1400))
	if got := collect(t, l, 1); len(got) != 1 || !bytes.Equal(got[0].Data, segment(sent, 9092, 1400)) {
		t.Errorf("%d packets after the drops, want the one that was sent", len(got))
	}
}

func TestLiveFilterIsThereBeforeTheFirstPacket(t *testing.T) {
	namespace(t)
	send := sender(t)
	stop, stopped := make(chan bool), make(chan bool)
	defer func() {
		close(stop)
		<-stopped
	}()
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				send(segment(i, 80+i%2, 10))
			}
		}
	}()
	for _, name := range []string{"kv1", "any"} {
		for range 20 {
			l := live(t, LiveOptions{Interface: name, Filter: Filter{Ports: []uint16{81}}})
			var b Batch
			n := 0
			for range 3 {
				if err := l.Next(&b); err != nil {
					t.Fatal(err)
				}
				for _, p := range b.Packets {
					port := p.Data[len(p.Data)-10-20+3]
					if n++; port != 81 {
						t.Fatalf("%s: packet %d is for port %d", name, n, port)
					}
				}
			}
			if n == 0 {
				t.Errorf("%s: no packets", name)
			}
			l.Close()
		}
	}
}

func TestLiveRunsTcpdumpsPrograms(t *testing.T) {
	namespace(t)
	for name, kind := range map[string]string{"kv1": "narrow", "any": "cooked"} {
		f, err := os.Open("testdata/filter/port." + kind + ".ddd")
		if err != nil {
			t.Fatal(err)
		}
		program, err := ReadBPF(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		l := live(t, LiveOptions{Interface: name, BPF: program})
		send := sender(t)
		for i := range 10 {
			send(segment(i, 9090+i, 10))
		}
		for _, p := range collect(t, l, 100) {
			if port := binary.BigEndian.Uint16(p.Data[len(p.Data)-10-20+2:]); port != 9092 {
				t.Errorf("%s: a packet for port %d", name, port)
			}
		}
		if n := l.Captures()[0].Packets; n == 0 {
			t.Errorf("%s: no packets", name)
		}
	}
}

func TestLivePacketsOutliveClose(t *testing.T) {
	namespace(t)
	l := live(t, LiveOptions{Interface: "kv1"})
	frame := segment(3, 9092, 500)
	sender(t)(frame)
	var b Batch
	for len(b.Packets) == 0 {
		if err := l.Next(&b); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = nil
	runtime.GC()
	runtime.GC()
	if !bytes.Equal(b.Packets[0].Data, frame) {
		t.Error("a packet is not what it was before Close")
	}
	b.free()
}

func TestLivePromiscuousEndsWithTheCapture(t *testing.T) {
	namespace(t)
	for _, asked := range []bool{false, true} {
		l := live(t, LiveOptions{Interface: "kv1", Promiscuous: asked})
		if got := strings.Contains(ip(t, "-d link show kv1"), "promiscuity 1"); got != asked {
			t.Errorf("promiscuous is %v, want %v", got, asked)
		}
		// A batch in use keeps the socket open, but not promiscuous mode.
		sender(t)(segment(1, 1, 1))
		var b Batch
		for len(b.Packets) == 0 {
			if err := l.Next(&b); err != nil {
				t.Fatal(err)
			}
		}
		l.Close()
		if !strings.Contains(ip(t, "-d link show kv1"), "promiscuity 0") {
			t.Error("the interface is promiscuous after Close")
		}
		b.free()
	}
}

func TestLiveLargePacketsOfOffloadAreWhole(t *testing.T) {
	namespace(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := uint16(listener.Addr().(*net.TCPAddr).Port)
	l := live(t, LiveOptions{Interface: "lo", Filter: Filter{Ports: []uint16{port}}, BufferBytes: MinBuffer})
	const size = 1 << 20
	go func() {
		if c, err := listener.Accept(); err == nil {
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	c, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	longest, total := 0, 0
	d := NewDissector(DissectorOptions{})
	for _, p := range collect(t, l, 1<<20) {
		var s Segment
		if !d.Segment(&p, &s) || len(p.Data) != int(p.Length) {
			t.Fatalf("%d of %d bytes were captured", len(p.Data), p.Length)
		}
		longest = max(longest, len(p.Data))
		total += len(s.Payload)
	}
	if total != size || longest < 32<<10 || l.Captures()[0].Dropped != 0 {
		t.Errorf("%d bytes, want %d, in packets of up to %d; %d drops", total, size, longest, l.Captures()[0].Dropped)
	}
}

func TestLiveSeesWhatTcpdumpSees(t *testing.T) {
	namespace(t)
	path := filepath.Join(t.TempDir(), "tcpdump.pcap")
	const sent, buffer = 30000, 64 << 20 // enough for all packets on a busy machine
	dump := exec.Command("tcpdump", "-i", "kv1", "-B", fmt.Sprint(buffer>>10), "-U", "-Z", "root", "-w", path, "-c", fmt.Sprint(sent*2/3), "tcp port 9092 or tcp port 9093")
	stderr, err := dump.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := dump.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stderr.Read(make([]byte, 200)); err != nil { // "listening on kv1"
		t.Fatal(err)
	}
	l := live(t, LiveOptions{Interface: "kv1", BufferBytes: buffer, Filter: Filter{Ports: []uint16{9092, 9093}}})
	send := sender(t)
	go func() {
		for i := range sent {
			send(segment(i, 9092+i%3, 100+i%1000))
		}
	}()
	got := collect(t, l, sent*2/3)
	if err := dump.Wait(); err != nil {
		t.Fatal(err)
	}
	files, err := Open([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	var b Batch
	n := 0
	for files.Next(&b) == nil {
		for _, p := range b.Packets {
			if n < len(got) && (!bytes.Equal(p.Data, got[n].Data) || p.Length != got[n].Length) {
				t.Fatalf("packet %d differs: %x\ntcpdump saw %x", n+1, got[n].Data, p.Data)
			}
			n++
		}
	}
	if n != len(got) || n != sent*2/3 || l.Captures()[0].Dropped != 0 {
		t.Errorf("%d packets, tcpdump saw %d of %d; %d drops", len(got), n, sent*2/3, l.Captures()[0].Dropped)
	}
}

func TestLiveReturnsPacketsSoon(t *testing.T) {
	namespace(t)
	l := live(t, LiveOptions{Interface: "kv1"})
	send := sender(t)
	var best time.Duration = time.Hour
	for i := range 10 {
		began := time.Now()
		send(segment(i, 9092, 100))
		if got := collect(t, l, 1); len(got) != 1 {
			t.Fatalf("%d packets", len(got))
		}
		best = min(best, time.Since(began))
		time.Sleep(time.Duration(i) * 7 * time.Millisecond)
	}
	if best > livePause {
		t.Errorf("the fastest of 10 packets took %v, want %v at most", best, livePause)
	}
}

func TestLiveReadingAllocatesNothing(t *testing.T) {
	namespace(t)
	l := live(t, LiveOptions{Interface: "kv1"})
	send := sender(t)
	frame := segment(1, 9092, 100)
	batches := [4]Batch{}
	i := 0
	read := func() {
		for range 100 {
			send(frame)
		}
		b := &batches[i%len(batches)]
		for i++; ; {
			if err := l.Next(b); err != nil {
				t.Fatal(err)
			}
			if len(b.Packets) > 0 {
				return
			}
		}
	}
	for range 8 {
		read()
	}
	if n := testing.AllocsPerRun(20, read); n > 1 { // one for each address of a sender, none for packets
		t.Errorf("%v allocations for 100 packets", n)
	}
}

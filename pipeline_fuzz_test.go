//go:build unix

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// The limits for an input: CPU time and allocated memory, for the run and for each byte. Ordinary
// traffic takes some 5 ns a byte. With the fuzzing engine everything takes many times as long.
const (
	fuzzTime, fuzzTimePerByte     = 500 * time.Millisecond, 20 * time.Microsecond
	fuzzMemory, fuzzMemoryPerByte = 96 << 20, 16 << 10
)

// innocents is the address prefix of the connections that the input must not touch. Hostile
// packets that contain it are removed.
var innocents = []byte{10, 99, 99}

// innocent returns traffic that must be reported with any other input: three clients, one of which
// sends a request outside its range.
func innocent() []capturetest.Packet {
	r := capturetest.NewRecorder()
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 99, 99, 1}), 9092)
	for i := range byte(3) {
		c := r.Open(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 99, 99, 10 + i}), 40_000), to)
		c.Exchange(capturetest.ApiVersionsRequest(0, 1, "orders-svc", "", ""), capturetest.ApiVersionsResponse(0, 1, 0, sniffRanges...))
		if i == 0 {
			c.Send(capturetest.ToBroker, fetch(2))
			c.Close(capturetest.ToClient)
		}
	}
	return r.Packets
}

// hostile converts an input to packets. The input is a sequence of records: a type byte, two bytes
// of length, and data. If the lowest bit of the type is set, the data is a frame. Otherwise it is
// sent by one of four connections.
func hostile(data []byte) []capturetest.Packet {
	r := capturetest.NewRecorder()
	var all [4]*capturetest.Conversation
	for i := range all {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 66, 0, byte(i)}), uint16(1024+i))
		all[i] = r.Between(client, netip.MustParseAddrPort("10.66.1.1:9092"))
	}
	for len(data) >= 3 {
		what, n := data[0], min(int(binary.BigEndian.Uint16(data[1:])), len(data)-3)
		part := data[3 : 3+n]
		data = data[3+n:]
		if what&1 != 0 {
			r.Packets = append(r.Packets, capturetest.Packet{Time: r.Now, Link: capturetest.LinkEthernet, Data: slices.Clone(part)})
			r.Wait(r.Step)
			continue
		}
		c, d := all[what>>1&3], capturetest.Direction(what>>3&1)
		switch what >> 4 {
		case 1:
			c.Syn(d)
		case 2:
			c.Fin(d)
		case 3:
			c.Reset(d)
		case 4:
			c.Miss(d, 1+n)
		case 5:
			r.Wait(time.Duration(n) * time.Second)
			continue
		}
		c.Send(d, part)
	}
	return slices.DeleteFunc(r.Packets, func(p capturetest.Packet) bool { return bytes.Contains(p.Data, innocents) })
}

// FuzzPipeline mixes hostile packets with innocent connections. No input may cost much more than
// ordinary traffic, and all innocent requests and findings must be listed as without it.
func FuzzPipeline(f *testing.F) {
	captures, err := filepath.Glob("testdata/captures/kv*.pcap")
	if err != nil || len(captures) == 0 {
		f.Fatalf("%d captures, %v", len(captures), err)
	}
	const most = 60 // packets of a seed
	for _, name := range captures {
		packets, err := capturetest.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var seed []byte
		for _, p := range packets[:min(len(packets), most)] {
			seed = append(binary.BigEndian.AppendUint16(append(seed, 1), uint16(len(p.Data))), p.Data...)
		}
		f.Add(seed)
	}
	for _, message := range [][]byte{capturetest.ApiVersionsRequest(3, 1, "c", "lib", "1"), capturetest.ApiVersionsResponse(0, 1, 0), fetch(2)} {
		var seed []byte
		for what := range 64 {
			seed = append(binary.BigEndian.AppendUint16(append(seed, byte(what*2)), uint16(len(message))), message...)
		}
		f.Add(seed)
	}
	alone := reportedOf(f, innocent())
	f.Fuzz(func(t *testing.T, data []byte) {
		const longest = 64 << 10
		if len(data) > longest {
			return
		}
		packets := capturetest.Merge(innocent(), hostile(data))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := cpuTime()
		got := reportedOf(t, packets)
		took := cpuTime() - began
		runtime.ReadMemStats(&after)
		if most := fuzzTime + time.Duration(len(data))*fuzzTimePerByte; took > most {
			t.Errorf("%v of CPU time for %d bytes, at most %v is allowed", took, len(data), most)
		}
		if made, most := after.TotalAlloc-before.TotalAlloc, uint64(fuzzMemory+len(data)*fuzzMemoryPerByte); made > most {
			t.Errorf("%d bytes allocated for %d bytes, at most %d are allowed", made, len(data), most)
		}
		if d := cmp.Diff(alone, got); d != "" {
			t.Errorf("what is seen of the innocent (-alone +among others):\n%s", d)
		}
	})
}

type innocentResult struct{ Requests, Findings []string }

func reportedOf(t testing.TB, packets []capturetest.Packet) (s innocentResult) {
	t.Helper()
	file := capturetest.Pcapng{}.Encode(packets)
	output := func(args ...string) []byte {
		var out, said bytes.Buffer
		if code := run(t.Context(), args, streams{bytes.NewReader(file), &out, &said}); code == exitTrouble {
			t.Fatalf("%v: %s", args, &said)
		}
		return out.Bytes()
	}
	d := json.NewDecoder(bytes.NewReader(output("requests", "-q", "--format", "json", "-")))
	for {
		var row map[string]any
		if err := d.Decode(&row); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if isInnocent(row["client"]) {
			for _, position := range []string{"frame", "stream", "response_frame"} {
				delete(row, position) // other requests are between
			}
			line, _ := json.Marshal(row)
			s.Requests = append(s.Requests, string(line))
		}
	}
	var r struct {
		Findings []struct {
			Code    string
			Version *int
			Count   int
			Broker  string
		}
	}
	if err := json.Unmarshal(output("analyze", "-q", "--fail-on", "never", "--format", "json", "-"), &r); err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		if isInnocent(f.Broker) {
			line, _ := json.Marshal(f)
			s.Findings = append(s.Findings, string(line))
		}
	}
	slices.Sort(s.Requests)
	slices.Sort(s.Findings)
	return s
}

func isInnocent(address any) bool {
	a, err := netip.ParseAddrPort(address.(string))
	return err == nil && bytes.HasPrefix(a.Addr().AsSlice(), innocents)
}

// cpuTime returns the CPU time of this process. Other work on the machine changes it little.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

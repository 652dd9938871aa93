package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

var (
	sniffBroker = netip.MustParseAddrPort("10.0.0.9:9092")
	// sniffRanges have Fetch up to v10 and Metadata up to v7.
	sniffRanges = []capturetest.API{{Key: 1, Min: 4, Max: 10}, {Key: 3, Min: 0, Max: 7}, {Key: 18, Min: 0, Max: 2}}
)

func sniffClient(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}), uint16(20000+n%40000))
}

// fetch returns a Fetch request in v12, which is outside sniffRanges.
func fetch(id int32) []byte {
	return capturetest.RequestHeader{Key: 1, Version: 12, CorrelationID: id, ClientID: "orders-svc", HeaderVersion: 2}.Frame(make([]byte, 30))
}

// negotiated opens a connection that advertises sniffRanges.
func negotiated(r *capturetest.Recorder, client netip.AddrPort) *capturetest.Conversation {
	c := r.Open(client, sniffBroker)
	c.Exchange(capturetest.ApiVersionsRequest(0, 1, "orders-svc", "", ""), capturetest.ApiVersionsResponse(0, 1, 0, sniffRanges...))
	return c
}

// refused returns the packets of a Fetch v12 after which the broker closes the connection.
func refused(n int) []capturetest.Packet {
	r := capturetest.NewRecorder()
	r.Now += int64(n) * int64(time.Second)
	c := negotiated(r, sniffClient(n))
	c.Send(capturetest.ToBroker, fetch(2))
	c.Close(capturetest.ToClient)
	return r.Packets
}

func findingsOf(t *testing.T, report []byte) (findings []map[string]any) {
	t.Helper()
	var r struct {
		Findings []map[string]any `json:"findings"`
	}
	if err := json.Unmarshal(report, &r); err != nil {
		t.Fatalf("%v in %.200s", err, report)
	}
	return r.Findings
}

// TestLiveFindingsAreThoseOfTheFile watches every capture in testdata as live packets.
func TestLiveFindingsAreThoseOfTheFile(t *testing.T) {
	for name, keys := range captures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			args := append([]string{"--format", "json"}, keys...)
			f := played(capturetest.MustRead(name), 7)
			f.step = time.Microsecond // no timeout passes that a file would not have
			if keys != nil {
				batch := f.batch
				f.batch = func(now time.Duration) []capturetest.Packet {
					if now == f.step {
						time.Sleep(300 * time.Millisecond) // the key log is read by real time
					}
					return batch(now)
				}
			}
			var file, stderr bytes.Buffer
			wantCode := run(t.Context(), append([]string{"analyze", name}, args...), streams{strings.NewReader(""), &file, &stderr})
			got := f.run(t.Context(), append(args, "--duration", "10ms")...)
			if got.code != wantCode {
				t.Errorf("exit code %d, want %d", got.code, wantCode)
			}
			events := got.events(t)
			last := events[len(events)-1]
			if last.Event != "report" {
				t.Fatalf("the last event is %q", last.Event)
			}
			want := findingsOf(t, file.Bytes())
			if d := cmp.Diff(want, findingsOf(t, last.Report)); d != "" {
				t.Errorf("findings (-file +live):\n%s", d)
			}
			if reported := of("finding", events); len(reported) != len(want) {
				t.Errorf("%d findings were reported, %d are in the report", len(reported), len(want))
			}
		})
	}
}

func TestFindingIsToldWithinASecond(t *testing.T) {
	silent := func() []capturetest.Packet {
		r := capturetest.NewRecorder()
		c := negotiated(r, sniffClient(1))
		c.Send(capturetest.ToBroker, fetch(2))
		return r.Packets
	}
	reset := func() []capturetest.Packet {
		r := capturetest.NewRecorder()
		c := negotiated(r, sniffClient(1))
		c.Send(capturetest.ToBroker, fetch(2))
		c.Reset(capturetest.ToClient)
		return r.Packets
	}
	unnegotiated := func() []capturetest.Packet {
		r := capturetest.NewRecorder()
		c := r.Open(sniffClient(1), sniffBroker)
		metadata := capturetest.RequestHeader{Key: 3, Version: 11, CorrelationID: 2, ClientID: "orders-svc", HeaderVersion: 2}
		c.Send(capturetest.ToBroker, metadata.Frame([]byte{0, 1, 0, 0}))
		c.Close(capturetest.ToClient)
		return r.Packets
	}
	for _, test := range []struct {
		name, code string
		packets    []capturetest.Packet
		pending    bool
		outcomes   map[string]uint64
	}{
		{"the broker closes", "KV1001", refused(0), false, map[string]uint64{"closed": 1}},
		{"the broker resets", "KV1001", reset(), true, map[string]uint64{}},
		{"the broker is silent", "KV1001", silent(), true, map[string]uint64{}},
		{"no range is known", "KV2001", unnegotiated(), false, map[string]uint64{"closed": 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := played(test.packets, len(test.packets))
			o := f.run(t.Context(), "--format", "json", "--duration", "5s")
			reported := of("finding", o.events(t))
			if len(reported) != 1 {
				t.Fatalf("%d findings were reported, want 1: %s", len(reported), o.stdout)
			}
			e := reported[0]
			if e.Finding.Code != test.code || e.Finding.Count != 1 {
				t.Errorf("reported %s, %d times", e.Finding.Code, e.Finding.Count)
			}
			if d := cmp.Diff(test.outcomes, e.Finding.Outcomes); d != "" && e.Pending == test.pending {
				t.Errorf("outcomes: %s", d)
			}
			if test.name == "the broker is silent" && !e.Pending {
				t.Error("not reported as pending")
			}
			// They arrived at fakeStep. A fake's reader is up to five batches ahead of reports.
			if late := e.at - fakeStep; late > time.Second+5*fakeStep {
				t.Errorf("reported %v after the packet", late)
			}
			if again := of("count", o.events(t)); len(again) != 0 {
				t.Errorf("reported again: %+v", again)
			}
		})
	}
}

func TestRepeatsAreCounted(t *testing.T) {
	f := &fakeInterface{step: fakeStep}
	n := 0
	f.batch = func(time.Duration) []capturetest.Packet {
		if n++; n > 100 {
			return nil
		}
		return refused(n)
	}
	o := f.run(t.Context(), "--format", "json", "--duration", "30s", "--interval", "2s")
	events := o.events(t)
	first := of("finding", events)
	if len(first) != 1 || first[0].Number != 1 {
		t.Fatalf("reported findings: %+v", first)
	}
	sum := first[0].Finding.Count
	counts := of("count", events)
	for _, e := range counts {
		if sum += e.More; e.Count != sum || e.Number != 1 || e.Code != "KV1001" {
			t.Errorf("%+v: %d are in all events so far", e, sum)
		}
	}
	if sum != 100 {
		t.Errorf("%d in all events together, want 100", sum)
	}
	if len(counts) < 4 || len(counts) > 7 {
		t.Errorf("%d counts in 10 s of events every 2 s", len(counts))
	}
	if len(of("status", events)) < 10 {
		t.Errorf("%d status events in 30 s every 2 s", len(of("status", events)))
	}
}

func TestTextWhileItHappens(t *testing.T) {
	for _, test := range []struct {
		name     string
		args     []string
		out, err []string
		// notOut must be missing from standard output.
		notOut string
	}{
		{"text", nil, []string{"error KV1001 above-max: ", "orders-svc from 10.1.0.0", "fake0: 13 packets", "1 error\n"}, nil, "{"},
		{"markdown to standard output", []string{"--format", "markdown"}, []string{"# "}, []string{"error KV1001 above-max"}, "  client   "},
		{"html to a file", []string{"--format", "html", "-o", "r.html"}, []string{"error KV1001 above-max"}, nil, "<html"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			o := played(refused(0), 20).run(t.Context(), append(test.args, "--duration", "2s")...)
			if o.code != exitFindings {
				t.Errorf("exit code %d", o.code)
			}
			for _, want := range test.out {
				if !strings.Contains(o.stdout.String(), want) {
					t.Errorf("%q is not in standard output:\n%s", want, o.stdout)
				}
			}
			for _, want := range test.err {
				if !strings.Contains(o.stderr.String(), want) {
					t.Errorf("%q is not in standard error:\n%s", want, o.stderr)
				}
			}
			if strings.Contains(o.stdout.String(), test.notOut) {
				t.Errorf("%q is in standard output:\n%s", test.notOut, o.stdout)
			}
		})
	}
}

func TestOutputFileIsThatOfAnalyze(t *testing.T) {
	t.Chdir(t.TempDir())
	o := played(refused(0), 20).run(t.Context(), "--duration", "2s", "--format", "json", "-o", "r.json")
	data, err := os.ReadFile("r.json")
	if err != nil {
		t.Fatal(err)
	}
	events := o.events(t)
	var one, other bytes.Buffer
	if err := json.Compact(&one, data); err != nil {
		t.Fatal(err)
	}
	if err := json.Compact(&other, events[len(events)-1].Report); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(one.String(), other.String()); d != "" {
		t.Errorf("the file and the last event differ:\n%s", d)
	}
	if !bytes.HasPrefix(data, []byte("{\n  \"schema\": ")) {
		t.Errorf("the file begins with %.40s", data)
	}
}

func TestCountEndsTheCapture(t *testing.T) {
	o := played(refused(0), 4).run(t.Context(), "--format", "json", "--count", "6")
	events := o.events(t)
	var r struct {
		Captures []struct{ Packets uint64 }
		Summary  struct{ Requests uint64 }
	}
	if err := json.Unmarshal(events[len(events)-1].Report, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Captures) != 1 || r.Captures[0].Packets != 6 || r.Summary.Requests != 1 {
		t.Errorf("%+v, want 6 packets and 1 request", r)
	}
}

func TestInterruptReportsWhatHasCome(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := &fakeInterface{step: fakeStep}
	n := 0
	f.batch = func(time.Duration) []capturetest.Packet {
		if n++; n == 3 {
			cancel()
			return refused(0)
		}
		return nil
	}
	o := f.run(ctx, "--format", "json")
	if o.code != exitFindings || len(of("finding", o.events(t))) != 1 {
		t.Errorf("exit code %d, output %s", o.code, o.stdout)
	}
	if n > 4 {
		t.Errorf("%d batches were read, the interrupt came with the third", n)
	}
}

// TestEndReadsWhatWaits ends the capture while packets wait in the buffer.
func TestEndReadsWhatWaits(t *testing.T) {
	const waiting = 6 // batches
	for name, args := range map[string][]string{"interrupt": nil, "duration": {"--duration", "300ms"}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := &fakeInterface{step: fakeStep}
			n := 0
			f.batch = func(time.Duration) []capturetest.Packet {
				switch n++; {
				case n == 3 && args == nil:
					cancel()
				case n > 3 && n <= 3+waiting:
					return refused(n)
				case n > 3+waiting: // packets continue after the end
					later := refused(n)
					for i := range later {
						later[i].Time = time.Now().UnixNano()
					}
					return later
				}
				return nil
			}
			o := f.run(ctx, append(args, "--format", "json")...)
			events := o.events(t)
			var r struct {
				Findings []struct{ Count int }
			}
			if err := json.Unmarshal(events[len(events)-1].Report, &r); err != nil {
				t.Fatal(err)
			}
			if len(r.Findings) != 1 || r.Findings[0].Count < waiting || n > 3+waiting+1 {
				t.Errorf("%+v after %d batches, want %d at least after %d at most", r, n, waiting, 3+waiting+1)
			}
		})
	}
}

// TestReportIsWrittenAlthoughNobodyListens makes standard output fail, as if the terminal or the
// reader of a pipe had ended.
func TestReportIsWrittenAlthoughNobodyListens(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Chdir(t.TempDir())
			f := &fakeInterface{step: fakeStep}
			n := 0
			f.batch = func(time.Duration) []capturetest.Packet { n++; return refused(n) }
			stderr := &timedLines{now: f.now}
			code := f.sniff(t.Context(), streams{strings.NewReader(""), brokenPipe{}, stderr}, "--format", format, "-o", "report.out", "--duration", "60s")
			if want := "kafkavet: write standard output: " + syscall.EPIPE.Error() + "\n"; code != exitTrouble || !strings.HasSuffix(stderr.String(), want) {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			if data, err := os.ReadFile("report.out"); err != nil || !bytes.Contains(data, []byte("KV1001")) {
				t.Errorf("the report is %q, %v", data, err)
			}
			if n > 100 {
				t.Errorf("went on for %d batches", n)
			}
		})
	}
}

// brokenPipe is an output whose reader has ended.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}
}

func TestDropsAreSaid(t *testing.T) {
	f := played(refused(0), 20)
	f.dropped = 17
	o := f.run(t.Context(), "--format", "json", "--duration", "3s", "--interval", "1s")
	events := o.events(t)
	if s := of("status", events); len(s) == 0 || s[len(s)-1].Dropped != 17 {
		t.Errorf("status events: %+v", s)
	}
	found := false
	for _, f := range findingsOf(t, events[len(events)-1].Report) {
		found = found || f["code"] == "KV9002" && strings.Contains(fmt.Sprint(f["message"]), "17")
	}
	if !found {
		t.Errorf("no KV9002 that says 17: %s", events[len(events)-1].Report)
	}
	if text := statusText(liveCounts{Dropped: 17}, 200); !strings.Contains(text, "17 DROPPED") {
		t.Errorf("the status line is %q", text)
	}
}

func TestRedactedWhileItHappens(t *testing.T) {
	o := played(refused(0), 20).run(t.Context(), "--redact", "--duration", "2s")
	for _, secret := range []string{"orders-svc", "10.1.0.0", "10.0.0.9"} {
		if strings.Contains(o.stdout.String(), secret) {
			t.Errorf("%s is in the output:\n%s", secret, o.stdout)
		}
	}
	if !strings.Contains(o.stdout.String(), "KV1001") {
		t.Errorf("no finding:\n%s", o.stdout)
	}
}

// TestClockThatIsSetHarmsNothing makes the host's clock jump in the middle of a connection,
// between the request and the broker's close.
func TestClockThatIsSetHarmsNothing(t *testing.T) {
	for name, jump := range map[string]time.Duration{"back": -36 * time.Hour, "ahead": 36 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			packets := refused(0)
			for i := range packets {
				if i >= len(packets)-4 { // the broker closes
					packets[i].Time += int64(jump)
				}
			}
			r := capturetest.NewRecorder()
			r.Now = packets[len(packets)-1].Time
			c := negotiated(r, sniffClient(1)) // another connection after the jump
			c.Send(capturetest.ToBroker, fetch(2))
			c.Close(capturetest.ToClient)
			f := played(append(packets, r.Packets...), 4)
			o := f.run(t.Context(), "--format", "json", "--duration", "5s")
			all := o.events(t)
			reported := of("finding", all)
			if len(reported) != 1 || reported[0].at > time.Second {
				t.Fatalf("reported %+v", reported)
			}
			findings := findingsOf(t, all[len(all)-1].Report)
			if len(findings) != 1 || findings[0]["count"] != 2.0 || fmt.Sprint(findings[0]["outcomes"]) != "map[closed:2]" {
				t.Errorf("%v", findings)
			}
		})
	}
}

// TestWeeksTakeNoMemory opens and closes 40,000 connections over five weeks of virtual time.
func TestWeeksTakeNoMemory(t *testing.T) {
	const connections, between = 40_000, 75 * time.Second
	var early, late uint64
	f := &fakeInterface{step: between}
	n := 0
	f.batch = func(time.Duration) []capturetest.Packet {
		switch n++; n {
		case connections / 4:
			early = heap()
		case connections:
			late = heap()
		}
		return refused(n)
	}
	o := f.run(t.Context(), "--format", "json", "--count", fmt.Sprint(len(refused(0))*connections), "--interval", "24h", "-q")
	if o.code != exitFindings {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	// Other memory varies by some 100 KB. A kept connection would be 900 bytes, 27 MB in all.
	if grown := int64(late) - int64(early); grown > 3<<20 {
		t.Errorf("the heap grew from %d to %d bytes", early, late)
	}
	if size := o.stdout.all.Len(); size > 100_000 {
		t.Errorf("%d bytes of output", size)
	}
}

// heap is the memory in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestKeyLogThatAppearsLater: sniff reports a missing key log, and reads it as it appears.
func TestKeyLogThatAppearsLater(t *testing.T) {
	const name = "testdata/captures/lab_confluent-go-2.6.0_kafka-2.6.1_tls"
	keys, err := os.ReadFile(name + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	codes := keyLogAppearsLater(t, capturetest.MustRead(name+".pcap"), string(keys))
	if !codes["KV1001"] || codes["KV2020"] {
		t.Errorf("findings %v, want KV1001 and no KV2020", codes)
	}
}

// TestKeyLogOfAnAgentThatIsAttached: the Java agent starts to write while sniff runs. It names TLS
// 1.2 sessions by their id.
func TestKeyLogOfAnAgentThatIsAttached(t *testing.T) {
	const name = "testdata/captures/lab_java-2.1.0_kafka-2.1.1_tls_sasl-plain"
	keys, err := os.ReadFile(name + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	packets := capturetest.MustRead(name + ".pcap")
	if codes := keyLogAppearsLater(t, packets, bySession(t, packets, string(keys))); codes["KV9001"] {
		t.Errorf("findings %v: connections stay encrypted", codes)
	}
}

// bySession rewrites a TLS 1.2 key log into the Java agent's form: the session id of the
// ServerHello replaces the random of the ClientHello.
func bySession(t *testing.T, packets []capturetest.Packet, keys string) string {
	t.Helper()
	const kindAt, versionAt, randomAt, lengthAt, idAt = 5, 9, 11, 43, 44 // offsets in the record of a hello
	ids := map[string]string{}                                           // session id by client random
	random := ""
	for _, p := range packets {
		at := max(bytes.Index(p.Data, []byte{22, 3, 3}), bytes.Index(p.Data, []byte{22, 3, 1}))
		if at < 0 || len(p.Data) < at+idAt+32 || p.Data[at+versionAt] != 3 {
			continue
		}
		switch h := p.Data[at:]; {
		case h[kindAt] == 1: // ClientHello; the ServerHello is the next one
			random = hex.EncodeToString(h[randomAt:lengthAt])
		case h[kindAt] == 2 && h[lengthAt] == 32:
			ids[random] = strings.ToUpper(hex.EncodeToString(h[idAt : idAt+32]))
		}
	}
	var out strings.Builder
	for line := range strings.Lines(keys) {
		if f := strings.Fields(line); len(f) == 3 && ids[f[1]] != "" {
			fmt.Fprintf(&out, "RSA Session-ID:%s Master-Key:%s\n", ids[f[1]], strings.ToUpper(f[2]))
		}
	}
	if out.Len() == 0 {
		t.Fatal("the capture has no session with an id")
	}
	return out.String()
}

// keyLogAppearsLater plays packets while a key log appears. It returns the codes of the findings.
func keyLogAppearsLater(t *testing.T, packets []capturetest.Packet, keys string) map[any]bool {
	t.Helper()
	late := filepath.Join(t.TempDir(), "keys.log")
	f := played(packets, 7)
	f.step = time.Microsecond
	batch := f.batch
	f.batch = func(now time.Duration) []capturetest.Packet {
		if now == f.step {
			time.Sleep(300 * time.Millisecond) // the key log is read by real time
			if err := os.WriteFile(late, []byte(keys), 0o600); err != nil {
				t.Error(err)
			}
			time.Sleep(500 * time.Millisecond)
		}
		return batch(now)
	}
	got := f.run(t.Context(), "--format", "json", "--tls-keylog", late, "--duration", "10ms")
	for _, want := range []string{"waiting for it", "exists now: only connections that begin after this can be decrypted"} {
		if !strings.Contains(got.stderr.String(), want) {
			t.Errorf("standard error lacks %q: %s", want, got.stderr.String())
		}
	}
	events := got.events(t)
	codes := map[any]bool{}
	for _, finding := range findingsOf(t, events[len(events)-1].Report) {
		codes[finding["code"]] = true
	}
	return codes
}

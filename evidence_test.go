package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/report/model"
)

// invoke runs kafkavet and returns its standard output. Exit code 2 fails the test.
func invoke(t *testing.T, stdin io.Reader, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, streams{stdin, &stdout, &stderr}); code == exitTrouble {
		t.Fatalf("%v: %s", args, stderr.String())
	}
	return stdout.String()
}

// analysed returns the JSON report of a capture.
func analysed(t *testing.T, args ...string) *model.Report {
	t.Helper()
	r := new(model.Report)
	if err := json.Unmarshal([]byte(invoke(t, strings.NewReader(""), append([]string{"analyze", "--format", "json"}, args...)...)), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// kinds returns the findings without the fields that redaction and a selection of packets change.
// With counted, it includes their counts.
func kinds(r *model.Report, counted bool) []string {
	out := []string{}
	for _, f := range r.Findings {
		k := fmt.Sprintf("%s %s %v %s", f.Code, f.API, f.Advertised, f.Evidence)
		if f.Version != nil {
			k += fmt.Sprintf(" v%d", *f.Version)
		}
		if f.Client != nil {
			k += " " + f.Client.SoftwareName
		}
		if counted {
			k += fmt.Sprintf(" %dx", f.Count)
		}
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// redactedTLS matches captures whose findings are inside TLS or depend on it: with --redact
// nothing can be decrypted.
var redactedTLS = regexp.MustCompile(`_tls|over-tls|encrypted-alert|client-certificate`)

func TestEvidenceGivesTheSameFindings(t *testing.T) {
	for name, keys := range captures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			keys := append(keys, "--target", "kafka-4.0.0")
			want := analysed(t, append(keys, name)...)
			for _, mode := range []string{"--redact=false", "--redact"} {
				if mode == "--redact" && redactedTLS.MatchString(name) {
					continue
				}
				file := filepath.Join(t.TempDir(), "evidence.pcapng")
				for _, most := range []string{"3", "100"} {
					invoke(t, strings.NewReader(""), append([]string{"analyze", mode, "--evidence", file, "--evidence-occurrences", most, name}, keys...)...)
					got := analysed(t, append(keys, file)...)
					counted := most == "100"
					if d := cmp.Diff(kinds(want, counted), kinds(got, counted)); d != "" {
						t.Errorf("%s, %s occurrences (-capture +evidence):\n%s", mode, most, d)
					}
				}
			}
		})
	}
}

// TestEvidenceOfStandardInputIsThatOfTheFile: a stream and a file give the same evidence.
func TestEvidenceOfStandardInputIsThatOfTheFile(t *testing.T) {
	const name = "testdata/captures/confluent-go-2.6.0_broker-2.1.pcap"
	dir := t.TempDir()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	invoke(t, strings.NewReader(""), "analyze", "--evidence", dir+"/file.pcapng", name)
	invoke(t, bytes.NewReader(data), "analyze", "--evidence", dir+"/stdin.pcapng", "-")
	fromFile, err1 := os.ReadFile(dir + "/file.pcapng")
	fromStdin, err2 := os.ReadFile(dir + "/stdin.pcapng")
	if err1 != nil || err2 != nil || !bytes.Equal(fromFile, fromStdin) {
		t.Errorf("%d bytes of evidence from the file, %d from standard input; %v, %v", len(fromFile), len(fromStdin), err1, err2)
	}
}

// TestEvidenceOfALongConnection: the offending request comes long after the handshake, and the
// packets between them do not fit into the window.
func TestEvidenceOfALongConnection(t *testing.T) {
	client, broker := netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:9092")
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(capturetest.ApiVersionsRequest(3, 1, "app", "lib", "1.0"), capturetest.ApiVersionsResponse(3, 1, 0,
		capturetest.API{Key: 0, Max: 9}, capturetest.API{Key: 1, Min: 4, Max: 7}, capturetest.API{Key: 18, Max: 3}))
	frame := func(key, version int16, id int32, header int, body []byte) []byte {
		return capturetest.RequestHeader{Key: key, Version: version, CorrelationID: id, ClientID: "app", HeaderVersion: header}.Frame(body)
	}
	produce := func(id int32) []byte {
		body := append([]byte{0xff, 0xff, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0}, bytes.Repeat([]byte("secret!!"), 2048)...)
		return frame(0, 3, id, 1, body)
	}
	for id := int32(2); id < 2002; id++ { // 32 MB, four times the window
		c.Exchange(produce(id), capturetest.ResponseFrame(id, false, []byte{0, 0, 0, 0, 0, 0, 0, 0}))
	}
	c.Send(capturetest.ToBroker, frame(1, 12, 2002, 2, make([]byte, 29)))
	c.Close(capturetest.ToClient)
	data := capturetest.Pcapng{}.Encode(r.Packets)

	file := filepath.Join(t.TempDir(), "evidence.pcapng")
	invoke(t, bytes.NewReader(data), "analyze", "--evidence", file, "-")
	got := analysed(t, file)
	if k := kinds(got, false); len(k) == 0 || !strings.HasPrefix(k[0], "KV1001 Fetch &{4 7} observed v12") {
		t.Errorf("findings of the evidence: %v", k)
	}
	if st, err := os.Stat(file); err != nil || st.Size() > 1<<20 {
		t.Errorf("evidence of %d bytes, %v", st.Size(), err)
	}
	if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, []byte("secret")) {
		t.Errorf("records are in the evidence, %v", err)
	}
}

// original returns texts of a capture that redaction must remove.
func original(t *testing.T, name string, keys []string) []string {
	t.Helper()
	texts := []string{
		"secret", "orders", "payments", "billing", "kafka-broker", "broker.example", "localhost", "example.com", "testdata/captures", "alice",
		filepath.Base(name),
	}
	r := analysed(t, append(keys, name)...)
	for _, b := range r.Brokers {
		texts = append(texts, b.Address)
	}
	for _, c := range r.Clients {
		texts = append(texts, c.ClientIDs...)
		texts = append(texts, c.Addresses...)
		texts = append(texts, c.BrokerAddresses...)
	}
	for _, f := range r.Findings {
		texts = append(texts, f.Broker)
		for _, o := range f.Occurrences {
			texts = append(texts, o.Client)
			if o.TLS != nil {
				texts = append(texts, o.TLS.ServerName)
			}
		}
	}
	slices.Sort(texts)
	return slices.DeleteFunc(slices.Compact(texts), func(s string) bool { return len(s) < 3 || impersonal.MatchString(s) })
}

// leaks reports whether output contains text. Text that begins or ends with a letter or digit must
// end at a word boundary there: "rdkafka" is a client id, "librdkafka" a library.
func leaks(output, text string) bool {
	for rest := output; ; {
		i := strings.Index(rest, text)
		if i < 0 {
			return false
		}
		if i == 0 || !isWord(rest[i-1]) || !isWord(text[0]) {
			end := i + len(text)
			if end == len(rest) || !isWord(rest[end]) || !isWord(text[len(text)-1]) {
				return true
			}
		}
		rest = rest[i+1:]
	}
}

// impersonal matches client ids that may stay: libraries choose them, and they identify nobody.
var impersonal = regexp.MustCompile(`^(rdkafka|kafkajs|kgo|sarama|(producer|consumer)-[0-9]+|broker-[0-9]+-fetcher-[0-9]+|(aiokafka|kafka-python)(-producer)?-[0-9.]+)$`)

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// TestRedactionLeavesNoOriginal looks in every output for every name and address of the capture.
func TestRedactionLeavesNoOriginal(t *testing.T) {
	for name, keys := range captures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			texts := original(t, name, keys)
			file := filepath.Join(t.TempDir(), "evidence.pcapng")
			outputs := map[string]string{}
			for _, format := range []string{"text", "json", "markdown", "html"} {
				outputs[format] = invoke(t, strings.NewReader(""),
					append([]string{"analyze", "--redact", "--format", format, "--evidence", file, "--evidence-occurrences", "100", name}, keys...)...)
			}
			for _, format := range []string{"tsv", "json"} {
				outputs["requests "+format] = invoke(t, strings.NewReader(""), append([]string{"requests", "--redact", "--format", format, name}, keys...)...)
			}
			evidence, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for what, output := range outputs {
				for _, text := range texts {
					if leaks(output, text) {
						t.Errorf("%s shows %q", what, text)
					}
				}
			}
			for _, text := range texts {
				if bytes.Contains(evidence, []byte(text)) {
					t.Errorf("the evidence holds %q", text)
				}
			}
			was := addressesOf(t, name)
			for a := range addressesOf(t, file) {
				if was[a] {
					t.Errorf("the evidence holds the address %x", a)
				}
			}
		})
	}
}

// addressesOf returns the MAC addresses and IP addresses in the packet headers of a capture,
// except 0.0.0.0 and similar ones.
func addressesOf(t *testing.T, name string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	add := func(addresses ...[]byte) {
		for _, a := range addresses {
			if bytes.Count(a, []byte{0}) < len(a)-1 && bytes.Count(a, []byte{255}) < len(a) {
				out[string(a)] = true
			}
		}
	}
	d := capture.NewDissector(capture.DissectorOptions{})
	for _, p := range capturetest.MustRead(name) {
		pkt := capture.Packet{Data: p.Data, Length: uint32(p.Length()), Link: capture.LinkType(p.Link)}
		for _, h := range d.Headers(&pkt, nil) {
			switch b := p.Data[h.At:]; h.Kind {
			case capture.HeaderEthernet:
				add(b[:6], b[6:12])
			case capture.HeaderCooked2:
				add(b[12:18])
			case capture.HeaderIPv4:
				add(b[12:16], b[16:20])
			case capture.HeaderIPv6:
				add(b[8:24], b[24:40])
			}
		}
	}
	return out
}

// TestEvidenceHoldsNoSecrets: this also holds without redaction.
func TestEvidenceHoldsNoSecrets(t *testing.T) {
	for name, keys := range captures(t) {
		file := filepath.Join(t.TempDir(), "evidence.pcapng")
		invoke(t, strings.NewReader(""), append([]string{"analyze", "--target", "kafka-4.0.0", "--evidence", file, "--evidence-occurrences", "100", name}, keys...)...)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(data, []byte("secret")); i >= 0 {
			t.Errorf("%s: %q", name, data[max(0, i-40):min(len(data), i+40)])
		}
	}
}

// TestPseudonymsAreStable: with a key they are equal in every report, otherwise they differ.
func TestPseudonymsAreStable(t *testing.T) {
	const name = "testdata/captures/confluent-go-2.6.0_broker-2.1.pcap"
	line := func(args ...string) string {
		return invoke(t, strings.NewReader(""), append([]string{"requests", "--redact", name}, args...)...)
	}
	if first, again := line("--redact-key", "the first secret"), line("--redact-key", "the first secret"); first != again {
		t.Error("one key gives different pseudonyms")
	}
	if line("--redact-key", "the first secret") == line("--redact-key", "another secret") {
		t.Error("two keys give the same pseudonyms")
	}
	if first, again := line(), line(); first == again {
		t.Error("random keys give the same pseudonyms")
	}
}

// TestEvidenceInTshark compares the requests that tshark finds in the evidence with those of the
// same connections in the capture.
func TestEvidenceInTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Logf("not compared: %v", err)
		return
	}
	for name := range captures(t) {
		if !strings.Contains(name, "fires") && !strings.Contains(name, "confluent-go") || strings.Contains(name, "tls") || strings.Contains(name, "encrypted") ||
			strings.Contains(name, "kv9005-fires-unknown") { // tshark looks behind zeros, which overwrite the preface, and not behind text
			continue // nothing to prove, or nothing that tshark reads
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			all := dissected(t, tshark, name)
			for _, mode := range []string{"--redact=false", "--redact"} {
				file := filepath.Join(t.TempDir(), "evidence.pcapng")
				invoke(t, strings.NewReader(""), "analyze", mode, "--evidence", file, name)
				got := dissected(t, tshark, file)
				for _, line := range got {
					// Zeros overwrite a raw SASL token. tshark reads them as Produce v0.
					if !slices.Contains(all, line) && !strings.HasSuffix(line, "\t0\t0\t0") {
						t.Errorf("%s: tshark sees %q in the evidence and not in the capture", mode, line)
					}
				}
				for _, f := range analysed(t, file).Findings {
					if f.APIKey == nil {
						continue
					}
					request := fmt.Sprintf("\t%d\t%d\t", *f.APIKey, *f.Version)
					if strings.Contains(strings.Join(all, "\n"), request) && !strings.Contains(strings.Join(got, "\n"), request) {
						t.Errorf("%s: tshark does not see the request %q in the evidence", mode, request)
					}
				}
			}
		})
	}
}

// dissected returns the Kafka requests that tshark finds: ports, API key, version, correlation id.
func dissected(t *testing.T, tshark, name string) []string {
	t.Helper()
	args := []string{"-r", name, "-Y", "kafka.api_key", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"}
	for _, port := range []string{"9092", "9093", "19092", "19093", "9094"} {
		args = append(args, "-d", "tcp.port=="+port+",kafka")
	}
	for _, f := range []string{"tcp.srcport", "kafka.api_key", "kafka.api_version", "kafka.correlation_id"} {
		args = append(args, "-e", f)
	}
	out, err := exec.Command(tshark, args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var lines []string
	for _, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if l != "" {
			lines = append(lines, l)
		}
	}
	return lines
}

// beyondEvidence matches variants for which the evidence has too few packets. They have fragments,
// beginnings of connections in packets of a few bytes, copies with only one side in the evidence,
// or forged segments that only their checksums or packets outside the evidence reveal.
var beyondEvidence = regexp.MustCompile(`(?i)fragment|every byte|in pieces|address translation|impossible acknowledgement|long junk`)

// TestEvidenceOfRewrittenCaptures makes redacted evidence of each capture in every rewriting that
// production has: tunnels, fragments, losses, copies. No original text may remain.
func TestEvidenceOfRewrittenCaptures(t *testing.T) {
	for _, name := range []string{"confluent-go-2.6.0_fetch-max-7", "kv2008-fires-password", "ipv6"} {
		packets := capturetest.MustRead("testdata/captures/" + name + ".pcap")
		was := addressesOf(t, "testdata/captures/"+name+".pcap")
		for i, v := range capturetest.Variants() {
			t.Run(name+"/"+v.Name, func(t *testing.T) {
				t.Parallel()
				data := capturetest.Pcapng{}.Encode(v.Rewrite(packets, uint64(i)))
				file := filepath.Join(t.TempDir(), "evidence.pcapng")
				invoke(t, bytes.NewReader(data), "analyze", "--redact", "--evidence", file, "-")
				for a := range addressesOf(t, file) {
					if was[a] {
						t.Errorf("the evidence holds the address %x", a)
					}
				}
				evidence, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range []string{"secret", "orders", "alice", "payments", "garbage"} {
					if bytes.Contains(evidence, []byte(text)) {
						t.Errorf("the evidence holds %q", text)
					}
				}
				if v.Keeps&capturetest.KeepsOutcomes != 0 && !beyondEvidence.MatchString(v.Name) {
					want := analysedFrom(t, data)
					if got := analysed(t, file); !cmp.Equal(kinds(want, false), kinds(got, false)) {
						t.Errorf("findings of the rewritten capture and of its evidence:\n%s", cmp.Diff(kinds(want, false), kinds(got, false)))
					}
				}
			})
		}
	}
}

// analysedFrom returns the JSON report of a capture on standard input.
func analysedFrom(t *testing.T, data []byte) *model.Report {
	t.Helper()
	r := new(model.Report)
	if err := json.Unmarshal([]byte(invoke(t, bytes.NewReader(data), "analyze", "--format", "json", "-")), r); err != nil {
		t.Fatal(err)
	}
	return r
}

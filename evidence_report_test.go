package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/report/model"
)

// requestPlace identifies a request and its position in a capture.
type requestPlace struct {
	Frame         uint64 `json:"frame"`
	Stream        uint32 `json:"stream"`
	CorrelationID int32  `json:"correlation_id"`
	Client        string `json:"client"`
	ClientID      string `json:"client_id"`
}

// requestsOf returns the requests that kafkavet lists.
func requestsOf(t *testing.T, args ...string) (list []requestPlace) {
	t.Helper()
	for line := range strings.Lines(invoke(t, strings.NewReader(""), append([]string{"requests", "--format", "json"}, args...)...)) {
		var r requestPlace
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// prefaced matches captures with addresses in a preface. Redaction overwrites these addresses, and
// the client is then the proxy.
var prefaced = regexp.MustCompile(`kv9005|proxy`)

// TestReportAndEvidenceAreOne: the positions in the report are correct in the evidence, as
// kafkavet itself reads it.
func TestReportAndEvidenceAreOne(t *testing.T) {
	located := 0
	for name, keys := range captures(t) {
		for _, mode := range []string{"--redact=false", "--redact"} {
			if mode == "--redact" && redactedTLS.MatchString(name) {
				continue
			}
			file := filepath.Join(t.TempDir(), "evidence.pcapng.gz")
			r := analysed(t, append(keys, mode, "--evidence", file, name)...)
			if r.Evidence == nil || filepath.Base(r.Evidence.Path) != "evidence.pcapng.gz" || r.Evidence.Redacted != (mode == "--redact") {
				t.Fatalf("%s: the report names the evidence %+v", name, r.Evidence)
			}
			requests := requestsOf(t, append(keys, file)...)
			inEvidence := analysed(t, append(keys, file)...)
			for _, f := range r.Findings {
				for _, o := range f.Occurrences {
					if o.InEvidence == nil {
						continue
					}
					located++
					if o.CorrelationID != nil {
						want := requestPlace{o.InEvidence.Frame, o.InEvidence.Stream, *o.CorrelationID, o.Client, clientIDOf(f.Client)}
						same := func(r requestPlace) bool {
							if f.Client == nil {
								want.ClientID = r.ClientID
							}
							r.ClientID = r.ClientID[:min(len(r.ClientID), 256)] // a report has at most 256 bytes
							return r == want || prefaced.MatchString(name) && r.Frame == want.Frame
						}
						if !slices.ContainsFunc(requests, same) {
							t.Errorf("%s %s: %s in frame %d should be %+v in the evidence, which holds\n%v", name, mode, f.Code, o.Frame, want, requests)
						}
						continue
					}
					same := func(got model.Finding) bool {
						return got.Code == f.Code && slices.ContainsFunc(got.Occurrences, func(p model.Occurrence) bool {
							return p.Frame == o.InEvidence.Frame && p.Stream == o.InEvidence.Stream
						})
					}
					if !slices.ContainsFunc(inEvidence.Findings, same) {
						t.Errorf("%s %s: %s in frame %d should be in frame %d, stream %d of the evidence", name, mode, f.Code, o.Frame, o.InEvidence.Frame, o.InEvidence.Stream)
					}
				}
			}
		}
	}
	if located < 200/captureStep {
		t.Errorf("only %d occurrences were looked at", located)
	}
}

func clientIDOf(c *model.FindingClient) string {
	if c == nil || c.ClientID == nil {
		return ""
	}
	return *c.ClientID
}

// parties returns the clients and brokers of findings.
func parties(r *model.Report) (out []string) {
	for _, f := range r.Findings {
		var addresses []string
		if f.Client != nil {
			addresses = f.Client.Addresses
		}
		out = append(out, fmt.Sprintf("%s %q at %q to %s", f.Code, clientIDOf(f.Client), addresses, f.Broker))
	}
	slices.Sort(out)
	return out
}

// TestPseudonymsStayInEvidence: redacted evidence has the same names as the report. A second
// redaction, with any key, keeps them.
func TestPseudonymsStayInEvidence(t *testing.T) {
	for _, name := range []string{"confluent-go-2.6.0_fetch-max-7", "kv1001-fires-every-api-one-above", "ipv6", "sarama-1.61.1_v3.6-no-apiversions_broker-2.1"} {
		file := filepath.Join(t.TempDir(), "evidence.pcapng")
		want := parties(analysed(t, "--redact", "--redact-key", "the first secret", "--evidence", file, "--evidence-occurrences", "100", "testdata/captures/"+name+".pcap"))
		for _, again := range [][]string{nil, {"--redact", "--redact-key", "the first secret"}, {"--redact", "--redact-key", "another secret"}, {"--redact"}} {
			if d := cmp.Diff(want, parties(analysed(t, append(again, file)...))); d != "" {
				t.Errorf("%s, evidence analyzed with %v (-report +evidence):\n%s", name, again, d)
			}
		}
		if before, after := requestsOf(t, file), requestsOf(t, "--redact", file); !cmp.Equal(before, after) {
			t.Errorf("%s: requests of the evidence, and the same redacted:\n%s", name, cmp.Diff(before, after))
		}
	}
}

// TestFiltersOfEvidenceInTshark: the filter that a report prints finds the packets in the
// evidence, and its commands to reproduce find the requests.
func TestFiltersOfEvidenceInTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Logf("not compared: %v", err)
		return
	}
	filter := regexp.MustCompile(`(?m)^In the evidence, .*:\n\n` + "```" + `\n(.*)\n`)
	sent := regexp.MustCompile("What was sent:\n\n```sh\n(tshark .*)\n")
	for _, name := range []string{"confluent-go-2.6.0_fetch-max-7", "lab_sarama-1.45.2-v3.6_kafka-2.1.1", "kv2001-fires-reset-and-ignored", "kv1003-fires-telemetry"} {
		dir := t.TempDir()
		file := filepath.Join(dir, "proof of it.pcapng")
		text := invoke(t, strings.NewReader(""), "analyze", "--redact", "--format", "markdown", "--evidence", file, "testdata/captures/"+name+".pcap")
		var want []string
		for _, f := range analysed(t, "--evidence", file, "testdata/captures/"+name+".pcap").Findings {
			for _, o := range f.Occurrences {
				if o.InEvidence != nil {
					want = append(want, fmt.Sprintf("%d\t%d", o.InEvidence.Frame, o.InEvidence.Stream))
				}
			}
		}
		var got []string
		for _, m := range filter.FindAllStringSubmatch(text, -1) {
			out, err := exec.Command(tshark, "-r", file, "-Y", m[1], "-T", "fields", "-e", "frame.number", "-e", "tcp.stream").Output()
			if err != nil {
				t.Fatalf("%s: %v", m[1], err)
			}
			got = append(got, strings.Fields(strings.ReplaceAll(string(out), "\t", "\\t"))...)
		}
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], "\\t", "\t")
		}
		slices.Sort(want)
		slices.Sort(got)
		if !cmp.Equal(want, got) || len(want) == 0 {
			t.Errorf("%s: frames and streams (-report +tshark):\n%s", name, cmp.Diff(want, got))
		}
		command := sent.FindStringSubmatch(text)
		if command == nil {
			t.Fatalf("%s: no command shows what was sent", name)
		}
		run := exec.Command("sh", "-c", command[1])
		run.Dir = dir
		if out, err := run.Output(); err != nil || strings.Count(string(out), "\n") < 2 {
			t.Errorf("%s: %s: %v\n%s", name, command[1], err, out)
		}
	}
}

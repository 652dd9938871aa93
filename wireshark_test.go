package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestWiresharkScriptNamesRules: the findings of the script are those of the rules.
func TestWiresharkScriptNamesRules(t *testing.T) {
	named := regexp.MustCompile(`"(KV\d{4}) ([a-z-]+)"`).FindAllStringSubmatch(invoke(t, strings.NewReader(""), "wireshark"), -1)
	if len(named) != 3 {
		t.Errorf("%d findings are named", len(named))
	}
	for _, n := range named {
		if !slices.ContainsFunc(report.Rules(), func(r model.Rule) bool { return r.Code == n[1] && r.Title == n[2] }) {
			t.Errorf("there is no rule %s %s", n[1], n[2])
		}
	}
}

// TestWiresharkScriptAgrees compares the verdicts of the script in tshark with those of requests.
// The script does not use later connections, so it may have "unknown".
func TestWiresharkScriptAgrees(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Logf("not compared: %v", err)
		return
	}
	script := filepath.Join(t.TempDir(), "kafkavet.lua")
	if err := os.WriteFile(script, []byte(invoke(t, strings.NewReader(""), "wireshark")), 0o600); err != nil {
		t.Fatal(err)
	}
	compared := map[string]int{}
	for _, name := range []string{
		"confluent-go-2.6.0_fetch-max-7", "confluent-go-2.6.0_broker-2.1_any-sll2", "kv1001-fires-every-api-one-above", "kv1001-fires-borrowed",
		"kv1002-fires-listoffsets-v0", "kv1003-fires-telemetry", "kv2003-fires-empty-array", "kv2003-fires-retry-at-max", "lab_java-4.4.0_kafka-4.4.0",
		"sarama-1.61.1_v3.6-no-apiversions_broker-2.1", "kcat-1.7.1_broker-4.4", "ipv6", "apiversions-v5",
	} {
		file := "testdata/captures/" + name + ".pcap"
		args := []string{"-X", "lua_script:" + script, "-r", file, "-Y", "kafkavet", "-T", "fields", "-e", "frame.number", "-e", "kafkavet.verdict"}
		for _, port := range []string{"9092", "9093", "9094", "19092"} {
			args = append(args, "-d", "tcp.port=="+port+",kafka")
		}
		modes := [][]string{nil}
		if strings.HasPrefix(name, "confluent") { // a second pass, as in Wireshark
			modes = append(modes, []string{"-2"})
		}
		for _, passes := range modes {
			out, err := exec.Command(tshark, append(passes, args...)...).Output()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := map[string][]string{}
			for line := range strings.Lines(string(out)) {
				frame, verdicts, _ := strings.Cut(strings.TrimSpace(line), "\t")
				got[frame] = strings.Split(verdicts, ",")
			}
			want := map[string][]string{}
			for line := range strings.Lines(invoke(t, strings.NewReader(""), "requests", file)) {
				cells := strings.Split(line, "\t")
				want[cells[0]] = append(want[cells[0]], cells[13])
			}
			for frame, verdicts := range got {
				if len(verdicts) != len(want[frame]) {
					continue // Wireshark misses some requests of the packet
				}
				for i, v := range verdicts {
					compared[v]++
					if v != want[frame][i] && v != "unknown" {
						t.Errorf("%s, frame %s: %s in tshark, %s by kafkavet", name, frame, v, want[frame][i])
					}
				}
			}
		}
	}
	for _, v := range []string{"ok", "above-max", "below-min", "not-advertised", "exempt"} {
		if compared[v] == 0 {
			t.Errorf("no verdict %s was compared: %v", v, compared)
		}
	}
	out, err := exec.Command(tshark, "-X", "lua_script:"+script, "-r", "testdata/captures/confluent-go-2.6.0_fetch-max-7.pcap", "-d", "tcp.port==19092,kafka",
		"-Y", `kafkavet.verdict == "above-max"`, "-T", "fields", "-e", "frame.number", "-e", "kafkavet.min", "-e", "kafkavet.max", "-e", "kafkavet.finding").Output()
	if want := "62\t4\t7\tKV1001 above-max: v12, advertised v4 to v7\n"; err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}

// TestFindingsAreCommentsOnTheirPackets: if the packet of a finding was already written, the next
// packet has the comment.
func TestFindingsAreCommentsOnTheirPackets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kept.pcapng")
	sent := capturetest.MustRead("testdata/captures/confluent-go-2.6.0_fetch-max-7.pcap")
	if o := played(sent, 4).run(t.Context(), "-w", file, "--comments", "--interval", "1s", "--duration", "30s"); o.code != exitFindings {
		t.Fatalf("exit code %d: %s", o.code, o.stderr.String())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const text = "KV1001 above-max: confluent-kafka-go 2.6.0 sends Fetch v12 to 127.0.0.1:19092, which supports up to v7; fixed in 2.6.1"
	if n := strings.Count(string(data), text); n != 6 {
		t.Errorf("%d comments, want 6", n)
	}
	if got, want := len(requestsOf(t, file)), len(requestsOf(t, "testdata/captures/confluent-go-2.6.0_fetch-max-7.pcap")); got != want {
		t.Errorf("%d requests in the file, %d were sent", got, want)
	}
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		return
	}
	out, err := exec.Command(tshark, "-r", file, "-Y", "frame.comment", "-T", "fields", "-e", "frame.number").Output()
	if want := "62\n76\n90\n104\n121\n144\n"; err != nil || string(out) != want {
		t.Errorf("%v: comments on frames %q, want %q", err, out, want)
	}
}

//go:build planted

package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

// TestPlantedParserCanDoNothing makes a parser under the control of an attacker read files,
// connect, run programs and more. Everything fails in the sandbox and succeeds without it. It runs
// as root, which may do all of it.
func TestPlantedParserCanDoNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const capture = "testdata/captures/confluent-go-2.6.0_fetch-max-7.pcap"
	data, err := os.ReadFile(capture)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "report.json")
	if code := run(t.Context(), []string{"analyze", "--no-sandbox", "-q", "-o", report, capture}, streams{os.Stdin, os.Stdout, os.Stderr}); code != exitFindings {
		t.Fatalf("exit code %d", code)
	}
	attempt := regexp.MustCompile(`(?m)^planted: (.*) (succeeded|failed: .*)$`)
	const attempts = 18
	for _, args := range [][]string{
		{"analyze", "-q", "-"},
		{"analyze", "-q", "-o", "report.json", "--evidence", "e.pcapng", "-", capture},
		{"requests", "-q", "-"},
		{"merge", "--format", "json", report},
		{"sniff", "-q", "-i", "lo", "--duration", "1s", "-w", "k.pcapng", "--rotate-size", "1", "--listen", "127.0.0.1:0"},
		{"sniff", "-q", "-i", "lo", "--duration", "1s", "--user", "nobody"},
		{"run", "-q", "--", "sleep", "1"},
	} {
		for _, isFree := range []bool{false, true} {
			name := args[0]
			if isFree {
				args, name = append([]string{args[0], "--no-sandbox"}, args[1:]...), name+" --no-sandbox"
			}
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				victim, program := filepath.Join(t.TempDir(), "victim"), filepath.Join(t.TempDir(), "program")
				if err := os.WriteFile(program, nil, 0o700); err != nil {
					t.Fatal(err)
				}
				cmd := exec.CommandContext(t.Context(), "kafkavet", args...)
				for i, a := range cmd.Args {
					if a == capture {
						cmd.Args[i], _ = filepath.Abs(capture)
					}
				}
				cmd.Dir, cmd.WaitDelay = dir, 20*time.Second
				cmd.Env = append(os.Environ(), "PLANTED_FILE="+victim, "PLANTED_PROGRAM="+program, "PLANTED_ADDRESS="+listener.Addr().String())
				cmd.Stdin = bytes.NewReader(data)
				out, _ := cmd.CombinedOutput() // findings are allowed
				tried := attempt.FindAllSubmatch(out, -1)
				if len(tried) != attempts {
					t.Errorf("%d attempts, want %d: %s", len(tried), attempts, out)
				}
				for _, a := range tried {
					succeeded := string(a[2]) == "succeeded"
					hasSocket := args[0] == "sniff" || args[0] == "run"
					allowed := isFree && (hasSocket || !bytes.HasPrefix(a[1], []byte("send ")) || string(a[1]) == "send by UDP")
					isNobody := isFree && slices.Contains(args, "nobody") // the user may not do all of it even without a sandbox
					if succeeded != allowed && !isNobody {
						t.Errorf("%s %s", a[1], a[2])
					}
				}
				if code := cmd.ProcessState.ExitCode(); code != exitClean && code != exitFindings {
					t.Errorf("exit code %d: %s", code, out)
				}
			})
		}
	}
}

//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInterruptGivesTheReportSoFar interrupts the reading of a file.
func TestInterruptGivesTheReportSoFar(t *testing.T) {
	data, err := os.ReadFile("testdata/captures/confluent-go-2.6.0_fetch-max-7.pcap")
	if err != nil {
		t.Fatal(err)
	}
	const half = 20_000 // bytes; the first Fetch v12 is before it
	for _, test := range []struct {
		command, want string
	}{{"analyze", "error KV1001 above-max: confluent-kafka-go 2.6.0 sends Fetch v12"}, {"requests", "above-max"}} {
		t.Run(test.command, func(t *testing.T) {
			fifo := filepath.Join(t.TempDir(), "capture")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan struct{})
			go func() {
				f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				_, _ = f.Write(data[:half])
				time.Sleep(100 * time.Millisecond) // it has been read by then
				stop()
				_, _ = f.Write(data[half:])
				<-ended
			}()
			var out, said bytes.Buffer
			code := run(ctx, []string{test.command, fifo}, streams{strings.NewReader(""), &out, &said})
			close(ended)
			if code != exitTrouble || !strings.HasPrefix(said.String(), "kafkavet: interrupted after ") || strings.Count(said.String(), "\n") != 1 {
				t.Errorf("exit code %d: %s", code, said.String())
			}
			if !strings.Contains(out.String(), test.want) {
				t.Errorf("%q is missing: %s", test.want, out.String())
			}
		})
	}
}

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// endless returns a pipe with a capture whose writer does not end.
func endless(t *testing.T, name string) io.Reader {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	go func() { _, _ = w.Write(data) }()
	return r
}

// TestASignalEndsStandardInput: Ctrl-C reaches tcpdump and kafkavet, and a report follows.
func TestASignalEndsStandardInput(t *testing.T) {
	const capture = "testdata/captures/confluent-go-2.6.0_fetch-max-7.pcap"
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"analyze", "-"}, exitFindings, "error KV1001 above-max: confluent-kafka-go 2.6.0 sends Fetch v12"},
		{[]string{"requests", "-"}, exitClean, "above-max"},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, stop)
			var out, errs bytes.Buffer
			if code := run(ctx, c.args, streams{endless(t, capture), &out, &errs}); code != c.code || !strings.Contains(out.String(), c.want) || strings.Count(errs.String(), "\n") != c.code {
				t.Errorf("exit %d, want %d; %q is missing, or standard error has another number of lines:\n%s%s", code, c.code, c.want, out.String(), errs.String())
			}
		})
	}
}

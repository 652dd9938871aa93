package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestSecretsBehindThePackets: in a file, a decryption secrets block applies to all packets; from
// a pipe, to the packets after it. The progress of the workers has no influence.
func TestSecretsBehindThePackets(t *testing.T) {
	const name = "testdata/captures/confluent-go-2.6.0_broker-2.1_tls13"
	packets := capturetest.MustRead(name + ".pcap")
	keys, err := os.ReadFile(name + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	b := capturetest.Blocks{Bytes: capturetest.Pcapng{}.Encode(packets)}
	b.Secrets(capturetest.SecretsTLS, keys)
	file := filepath.Join(t.TempDir(), "late.pcapng")
	if err := os.WriteFile(file, b.Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	want := standardOutput(t, nil, []string{"requests", "--tls-keylog", name + ".keys", name + ".pcap"})
	empty := want[:bytes.IndexByte([]byte(want), '\n')+1]
	for range 20 {
		if got := standardOutput(t, nil, []string{"requests", file}); got != want {
			t.Fatalf("from the file:\n%s\nwant\n%s", got, want)
		}
		if got := standardOutput(t, b.Bytes, []string{"requests", "-"}); got != empty {
			t.Fatalf("from a pipe:\n%s", got)
		}
	}
}

package capture

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestCommentOfACompressedCapture: the comment on the first section, before any packet is read.
func TestCommentOfACompressedCapture(t *testing.T) {
	for _, name := range []string{"a.pcapng", "a.pcapng.gz", "a.pcapng.zst"} {
		var file bytes.Buffer
		out, err := Compressor(&file, name)
		if err != nil {
			t.Fatal(err)
		}
		w := NewWriter(out, "test", "a comment")
		if err := out.Close(); err != nil || w.Err() != nil {
			t.Fatal(err, w.Err())
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Comment(path); got != "a comment" {
			t.Errorf("%s: comment %q", name, got)
		}
		if isPlain := bytes.HasPrefix(file.Bytes(), []byte{0x0a, 0x0d, 0x0d, 0x0a}); isPlain != (filepath.Ext(name) == ".pcapng") {
			t.Errorf("%s: not compressed as its name says", name)
		}
	}
	for _, name := range []string{"nowhere.pcapng", "../testdata/captures/acks-0.pcap", "."} {
		if got := Comment(name); got != "" {
			t.Errorf("%s: comment %q", name, got)
		}
	}
}

package write

import (
	"bytes"
	"testing"
)

// TestEscaperSplitsNoCharacter: the text may arrive in pieces of any size.
func TestEscaperSplitsNoCharacter(t *testing.T) {
	doc := []byte("{\"a\": \"é\u202e\U000e0001漢\U0001f600\u0085\x7f\"}\n")
	want := string(escapeJSON(doc))
	for size := 1; size <= len(doc); size++ {
		var out bytes.Buffer
		e := &escaper{w: &out}
		for i := 0; i < len(doc); i += size {
			piece := doc[i:min(i+size, len(doc))]
			if n, err := e.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		if out.String() != want {
			t.Errorf("pieces of %d bytes: %q, want %q", size, out.String(), want)
		}
	}
}

package tlsrecord

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// TestBytesOfValues: the sizes of values in constants and in the arithmetic of limits are the real ones.
func TestBytesOfValues(t *testing.T) {
	for _, c := range []struct {
		file, text string
		size       uintptr
	}{
		{"outline.go", "44 of %d bytes are 704 bytes", unsafe.Sizeof(outlined{})},
		{"outline.go", "20 of %d bytes are 320 bytes", unsafe.Sizeof(outlined{})},
		{"session.go", "helloBytes, markBytes = 1152, 192, %d", unsafe.Sizeof(packetBytes{})},
		{"secrets.go", "131,072 secrets take %d bytes each", unsafe.Sizeof(secret{})},
	} {
		source, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Join(strings.Fields(strings.ReplaceAll(string(source), "//", "")), " ")
		if text := fmt.Sprintf(c.text, c.size); !strings.Contains(words, text) {
			t.Errorf("%s does not contain %q", c.file, text)
		}
	}
}

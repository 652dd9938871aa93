package capture

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
		{"file.go", "2,048 of %d bytes are 144 KiB", unsafe.Sizeof(Packet{})},
		{"file.go", "1,024 of %d bytes and a name", unsafe.Sizeof(Interface{})},
		{"pcapng.go", "65,536 of %d bytes are 3 MiB", unsafe.Sizeof(ngInterface{})},
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

package history

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
		{"limits.go", "8,192 of %d bytes are 4 MiB", unsafe.Sizeof(address{})},
		{"limits.go", "spans of %d bytes are 7 MiB", unsafe.Sizeof(span{})},
		{"limits.go", "64 of %d bytes are 3.5 KiB", unsafe.Sizeof(span{})},
		{"limits.go", "8,192 of %d bytes are 512 KiB", unsafe.Sizeof(Missed{})},
		{"limits.go", "128 of %d bytes are 6 KiB", unsafe.Sizeof(brokerEnd{})},
		{"limits.go", "16,384 of %d bytes are 4.8 MiB", unsafe.Sizeof(stream{})},
		{"limits.go", "40 of %d bytes", unsafe.Sizeof(answerTo{})},
		{"limits.go", "8,192 of %d bytes are 3.2 MiB", unsafe.Sizeof(Suspect{})},
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

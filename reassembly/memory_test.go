package reassembly

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
		{"reassembly.go", "a connection takes %d bytes", unsafe.Sizeof(flow{})},
		{"reassembly.go", "%d of them in conn", unsafe.Sizeof(conn{})},
		{"budget.go", "connBytes = %d", unsafe.Sizeof(conn{})},
		{"flow.go", "262,144 flows of %d bytes are 44 MiB", unsafe.Sizeof(flow{})},
		{"flow.go", "65,536 of %d bytes are 11 MiB", unsafe.Sizeof(flow{})},
		{"dialogue.go", "512 chunks, %d bytes each", unsafe.Sizeof(chunk{})},
		{"dialogue.go", "chunkBytes = %d", unsafe.Sizeof(chunk{})},
		{"postponed.go", "postponedBytes = %d", unsafe.Sizeof(lateSegment{})},
		{"twin.go", "itemBytes = %d", unsafe.Sizeof(item{})},
		{"twin.go", "4,096 of %d bytes are 160 KiB", unsafe.Sizeof(marked{})},
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

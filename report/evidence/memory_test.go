package evidence

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
		{"recorder.go", "in addition to its bytes: %d bytes", unsafe.Sizeof(seen{})},
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

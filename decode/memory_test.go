package decode

import (
	"container/list"
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
		{"decode.go", "about 600 bytes, and %d more for each unanswered request", unsafe.Sizeof(pending{})},
		{"handler.go", "16 of %d bytes are 1.5 KiB", unsafe.Sizeof(earlyAnswer{})},
		{"handler.go", "32 of %d bytes are 10 KiB", unsafe.Sizeof(Exchange{})},
		{"handler.go", "handlerBytes = %d", unsafe.Sizeof(handler{})},
		{"handler.go", "pendingBytes = %d", unsafe.Sizeof(pending{})},
		{"handler.go", "nameBytes = %d", unsafe.Sizeof(clientName{})},
		{"handler.go", "asideBytes = %d", unsafe.Sizeof(aside{})},
		{"handler.go", "earlyBytes = %d", unsafe.Sizeof(earlyAnswer{})},
		{"handler.go", "exchangeBytes = %d", unsafe.Sizeof(Exchange{})},
		{"ranges.go", "rangesBytes, apiBytes, maxRangesBytes = %d,", unsafe.Sizeof(Ranges{})},
		{"ranges.go", "= 56, %d, rangesBytes", unsafe.Sizeof(API{})},
		{"queue.go", "1,024 of %d bytes are 88 KiB", unsafe.Sizeof(pending{})},
		{"queue.go", "16,384 of %d bytes are 1.4 MiB", unsafe.Sizeof(pending{})},
		{"shard.go", "32 exchanges of %d bytes are 10 KiB", unsafe.Sizeof(Exchange{})},
		{"correlator.go", "32,768 of %d bytes", unsafe.Sizeof(waiter{})},
		{"correlator.go", "and %d for a list element", unsafe.Sizeof(list.Element{})},
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

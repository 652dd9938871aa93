package report

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestBytesOfValues: the sizes of values in constants and in the arithmetic of limits are the real ones.
func TestBytesOfValues(t *testing.T) {
	for _, c := range []struct {
		file, text string
		size       uintptr
	}{
		{"limits.go", "ten occurrences of %d bytes", unsafe.Sizeof(occurrence{})},
		{"limits.go", "262,144 of %d bytes are 8 MiB", unsafe.Sizeof(model.API{})},
		{"limits.go", "8,192 of %d bytes, with keys", unsafe.Sizeof(addressRecord{})},
		{"limits.go", "with keys of %d, are 1 MiB", unsafe.Sizeof(decode.Endpoint{})},
		{"timeline.go", "128 events of %d bytes each", unsafe.Sizeof(laneEvent{})},
		{"departures.go", "4,096 of %d bytes are 1 MiB", unsafe.Sizeof(departure{})},
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

package sealed

import (
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestBytesOfValues: the sizes of values in constants and in the arithmetic of limits are the real ones.
func TestBytesOfValues(t *testing.T) {
	capturetest.CheckSize(t, "book.go", "4,096 of %d bytes are 160 KiB", unsafe.Sizeof(life{}))
	capturetest.CheckSize(t, "book.go", "256 of %d bytes are 58 KiB", unsafe.Sizeof(Case{}))
}

package evidence

import (
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestBytesOfValues: the sizes of values in constants and in the arithmetic of limits are the real ones.
func TestBytesOfValues(t *testing.T) {
	capturetest.CheckSize(t, "recorder.go", "in addition to its bytes: %d bytes", unsafe.Sizeof(seen{}))
}

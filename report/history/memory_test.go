package history

import (
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestBytesOfValues: the sizes of values in constants and in the arithmetic of limits are the real ones.
func TestBytesOfValues(t *testing.T) {
	capturetest.CheckSize(t, "limits.go", "8,192 of %d bytes are 4 MiB", unsafe.Sizeof(address{}))
	capturetest.CheckSize(t, "limits.go", "spans of %d bytes are 7 MiB", unsafe.Sizeof(span{}))
	capturetest.CheckSize(t, "limits.go", "64 of %d bytes are 3.5 KiB", unsafe.Sizeof(span{}))
	capturetest.CheckSize(t, "limits.go", "8,192 of %d bytes are 512 KiB", unsafe.Sizeof(Missed{}))
	capturetest.CheckSize(t, "limits.go", "128 of %d bytes are 6 KiB", unsafe.Sizeof(brokerEnd{}))
	capturetest.CheckSize(t, "limits.go", "16,384 of %d bytes are 4.8 MiB", unsafe.Sizeof(stream{}))
	capturetest.CheckSize(t, "limits.go", "40 of %d bytes", unsafe.Sizeof(answerTo{}))
	capturetest.CheckSize(t, "limits.go", "8,192 of %d bytes are 3.2 MiB", unsafe.Sizeof(Suspect{}))
}

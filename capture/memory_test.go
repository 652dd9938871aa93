package capture

import (
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestBytesOfValues: the sizes of values in constants and in the arithmetic of limits are the real ones.
func TestBytesOfValues(t *testing.T) {
	capturetest.CheckSize(t, "file.go", "2,048 of %d bytes are 144 KiB", unsafe.Sizeof(Packet{}))
	capturetest.CheckSize(t, "file.go", "1,024 of %d bytes and a name", unsafe.Sizeof(Interface{}))
	capturetest.CheckSize(t, "pcapng.go", "65,536 of %d bytes are 3 MiB", unsafe.Sizeof(ngInterface{}))
}

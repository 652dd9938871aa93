package tlsrecord

import (
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestBytesOfValues: the sizes of values in constants and in the arithmetic of limits are the real ones.
func TestBytesOfValues(t *testing.T) {
	capturetest.CheckSize(t, "outline.go", "44 of %d bytes are 704 bytes", unsafe.Sizeof(outlined{}))
	capturetest.CheckSize(t, "outline.go", "20 of %d bytes are 320 bytes", unsafe.Sizeof(outlined{}))
	capturetest.CheckSize(t, "session.go", "helloBytes, markBytes = 1152, 192, %d", unsafe.Sizeof(packetBytes{}))
	capturetest.CheckSize(t, "secrets.go", "131,072 secrets take %d bytes each", unsafe.Sizeof(secret{}))
}

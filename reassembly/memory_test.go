package reassembly

import (
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestBytesOfValues: the sizes of values in constants and in the arithmetic of limits are the real ones.
func TestBytesOfValues(t *testing.T) {
	capturetest.CheckSize(t, "reassembly.go", "a connection takes %d bytes", unsafe.Sizeof(flow{}))
	capturetest.CheckSize(t, "reassembly.go", "%d of them in conn", unsafe.Sizeof(conn{}))
	capturetest.CheckSize(t, "budget.go", "connBytes = %d", unsafe.Sizeof(conn{}))
	capturetest.CheckSize(t, "flow.go", "262,144 flows of %d bytes are 44 MiB", unsafe.Sizeof(flow{}))
	capturetest.CheckSize(t, "flow.go", "65,536 of %d bytes are 11 MiB", unsafe.Sizeof(flow{}))
	capturetest.CheckSize(t, "dialogue.go", "512 chunks, %d bytes each", unsafe.Sizeof(chunk{}))
	capturetest.CheckSize(t, "dialogue.go", "chunkBytes = %d", unsafe.Sizeof(chunk{}))
	capturetest.CheckSize(t, "postponed.go", "postponedBytes = %d", unsafe.Sizeof(lateSegment{}))
	capturetest.CheckSize(t, "twin.go", "itemBytes = %d", unsafe.Sizeof(item{}))
	capturetest.CheckSize(t, "twin.go", "4,096 of %d bytes are 160 KiB", unsafe.Sizeof(marked{}))
}

package decode

import (
	"container/list"
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestBytesOfValues: the sizes of values in constants and in the arithmetic of limits are the real ones.
func TestBytesOfValues(t *testing.T) {
	capturetest.CheckSize(t, "decode.go", "about 600 bytes, and %d more for each unanswered request", unsafe.Sizeof(pending{}))
	capturetest.CheckSize(t, "handler.go", "16 of %d bytes are 1.5 KiB", unsafe.Sizeof(earlyAnswer{}))
	capturetest.CheckSize(t, "handler.go", "32 of %d bytes are 10 KiB", unsafe.Sizeof(Exchange{}))
	capturetest.CheckSize(t, "handler.go", "handlerBytes = %d", unsafe.Sizeof(handler{}))
	capturetest.CheckSize(t, "handler.go", "pendingBytes = %d", unsafe.Sizeof(pending{}))
	capturetest.CheckSize(t, "handler.go", "nameBytes = %d", unsafe.Sizeof(clientName{}))
	capturetest.CheckSize(t, "handler.go", "asideBytes = %d", unsafe.Sizeof(aside{}))
	capturetest.CheckSize(t, "handler.go", "earlyBytes = %d", unsafe.Sizeof(earlyAnswer{}))
	capturetest.CheckSize(t, "handler.go", "exchangeBytes = %d", unsafe.Sizeof(Exchange{}))
	capturetest.CheckSize(t, "ranges.go", "rangesBytes, apiBytes, maxRangesBytes = %d,", unsafe.Sizeof(Ranges{}))
	capturetest.CheckSize(t, "ranges.go", "= 56, %d, rangesBytes", unsafe.Sizeof(API{}))
	capturetest.CheckSize(t, "queue.go", "1,024 of %d bytes are 88 KiB", unsafe.Sizeof(pending{}))
	capturetest.CheckSize(t, "queue.go", "16,384 of %d bytes are 1.4 MiB", unsafe.Sizeof(pending{}))
	capturetest.CheckSize(t, "shard.go", "32 exchanges of %d bytes are 10 KiB", unsafe.Sizeof(Exchange{}))
	capturetest.CheckSize(t, "correlator.go", "32,768 of %d bytes", unsafe.Sizeof(waiter{}))
	capturetest.CheckSize(t, "correlator.go", "and %d for a list element", unsafe.Sizeof(list.Element{}))
}

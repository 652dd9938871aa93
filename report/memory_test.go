package report

import (
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestBytesOfValues: the sizes of values in constants and in the arithmetic of limits are the real ones.
func TestBytesOfValues(t *testing.T) {
	capturetest.CheckSize(t, "limits.go", "ten occurrences of %d bytes", unsafe.Sizeof(occurrence{}))
	capturetest.CheckSize(t, "limits.go", "262,144 of %d bytes are 8 MiB", unsafe.Sizeof(model.API{}))
	capturetest.CheckSize(t, "limits.go", "8,192 of %d bytes, with keys", unsafe.Sizeof(addressRecord{}))
	capturetest.CheckSize(t, "limits.go", "with keys of %d, are 1 MiB", unsafe.Sizeof(decode.Endpoint{}))
	capturetest.CheckSize(t, "timeline.go", "128 events of %d bytes each", unsafe.Sizeof(laneEvent{}))
	capturetest.CheckSize(t, "departures.go", "4,096 of %d bytes are 1 MiB", unsafe.Sizeof(departure{}))
}

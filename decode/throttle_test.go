package decode

import (
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/reassembly"
)

// TestThrottleTime compares throttle with kmsg's encoder, for each API and version.
func TestThrottleTime(t *testing.T) {
	const ms = 7_654_321
	for key := int16(0); key <= MaxKnownKey; key++ {
		for version := int16(0); key != keyApiVersions && version <= layouts[key].max; version++ {
			r := responseOf(key, version)
			if field := reflect.ValueOf(r).Elem().FieldByName("ThrottleMillis"); field.IsValid() {
				field.SetInt(ms)
			}
			body := responseBytes(r, 1)[responseHeader:]
			again := responseOf(key, version)
			at := body
			if layouts[key].flexible <= version {
				at = body[1:]
			}
			if err := again.ReadFrom(at); err != nil {
				t.Fatalf("%s v%d: %v", APIName(key), version, err)
			}
			want := int32(0)
			// Of these APIs, an error code comes first. None of them is throttled by itself.
			if key >= 38 && key <= 41 || key == 47 {
				continue
			}
			if field := reflect.ValueOf(again).Elem().FieldByName("ThrottleMillis"); field.IsValid() {
				want = int32(field.Int())
			}
			if got := throttle(key, version, int64(len(body)), body); got != want {
				t.Errorf("%s v%d: %d ms, want %d", APIName(key), version, got, want)
			}
			for cut := range body {
				if throttle(key, version, int64(len(body)), body[:cut]) > want {
					t.Errorf("%s v%d: a throttle time in %d of %d bytes", APIName(key), version, cut, len(body))
				}
			}
		}
	}
	if throttle(-1, 0, 4, make([]byte, 4))+throttle(0, -1, 4, make([]byte, 4))+throttle(0, 99, 4, []byte{0, 0, 0, 1}) != 0 {
		t.Error("a throttle time of an unknown version")
	}
}

// TestThrottledRequestsMayWait until the broker reads again (KIP-219).
func TestThrottledRequestsMayWait(t *testing.T) {
	d := newNetwork().open(t)
	q := requestOf(keyProduce, 7).(*kmsg.ProduceRequest)
	q.Acks = 1
	a := responseOf(keyProduce, 7).(*kmsg.ProduceResponse)
	a.ThrottleMillis = 9000
	d.respond(d.request(q), a)
	d.request(requestOf(22, 0))
	list := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))
	if got := [2]int32{list[0].WaitMillis, list[1].WaitMillis}; got != [2]int32{0, 8999} {
		t.Errorf("the requests may wait %d ms, want 0 and 8999", got)
	}
}

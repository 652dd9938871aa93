package decode

import "testing"

func TestPortOfTheBrokerIsNoError(t *testing.T) {
	for name, c := range map[string]struct {
		body []byte
		want bool
	}{
		"nothing":                   {[]byte{0, 0, 1}, false},
		"the port":                  {[]byte{0, 0, 0, 0x23, 0x84, 0xff, 0xff}, false},
		"the port, twice":           {[]byte{0, 0, 0x23, 0x84, 0, 0, 0x23, 0x84}, false},
		"another port":              {[]byte{0, 0, 0x23, 0x85, 0}, true},
		"the error":                 {[]byte{0, 0x23, 0, 5}, true},
		"the error at the end":      {[]byte{0, 0, 0, 0x23}, true},
		"the error behind the port": {[]byte{0, 0, 0x23, 0x84, 0, 0x23, 0xff, 0xff}, true},
	} {
		if got := mayHoldError(c.body, errUnsupportedVersion, 9092); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if !mayHoldError([]byte{0, 0, 0x23, 0x00}, errUnsupportedVersion, 0x2300) {
		t.Error("port 8960 hides an error that a short field follows")
	}
}

// TestKafkaPorts: 9091 to 9098, with another digit for the hundreds or the ten thousands.
func TestKafkaPorts(t *testing.T) {
	for port, want := range map[uint16]bool{
		9090: false, 9091: true, 9098: true, 9099: false, 9192: true, 9292: true, 19092: true, 29094: true, 59098: true,
		8092: false, 18092: false, 992: false, 92: false, 9901: false, 9089: false, 10092: false,
	} {
		if got := IsKafkaPort(port); got != want {
			t.Errorf("port %d: %v, want %v", port, got, want)
		}
	}
}

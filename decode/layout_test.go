package decode

import (
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fillValue gives every field of a message a value that takes bytes on the wire: n elements to
// arrays (if n is 0, nullable fields are null), small numbers, and code to error codes.
func fillValue(v reflect.Value, n int, code int16) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			switch {
			case name == "Version" && v.Type().Field(i).Type.Kind() == reflect.Int16 && i == 0, name == "UnknownTags":
			case name == "ErrorCode":
				v.Field(i).SetInt(int64(code))
			default:
				fillValue(v.Field(i), n, code)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("\x00bytes"))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fillValue(v.Index(i), n, code)
		}
	case reflect.Array:
		for i := range v.Len() {
			fillValue(v.Index(i), n, code)
		}
	case reflect.Pointer:
		if n == 0 {
			return // null
		}
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem(), n, code)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(3)
	case reflect.Float64:
		v.SetFloat(3)
	}
}

// filledRequest returns the encoded body of a request, as after the client id.
func filledRequest(t testing.TB, key, version int16, n int) (body []byte) {
	t.Helper()
	r := kmsg.RequestForKey(key)
	fillValue(reflect.ValueOf(r).Elem(), n, 0)
	r.SetVersion(version)
	if r.IsFlexible() {
		body = append(body, 0)
	}
	return r.AppendTo(body)
}

// filledResponse returns an encoded response, as after the correlation id.
func filledResponse(t testing.TB, key, version int16, n int, code int16) (body []byte) {
	t.Helper()
	r := kmsg.ResponseForKey(key)
	fillValue(reflect.ValueOf(r).Elem(), n, code)
	r.SetVersion(version)
	if r.IsFlexible() && key != keyApiVersions {
		body = append(body, 0)
	}
	return r.AppendTo(body)
}

func TestLayoutsAgreeWithKmsg(t *testing.T) {
	if len(layouts) != kmsg.MaxKey+1 || int(MaxKnownKey) != kmsg.MaxKey {
		t.Fatalf("%d layouts up to key %d, kmsg knows keys up to %d", len(layouts), MaxKnownKey, kmsg.MaxKey)
	}
	for key := range int16(len(layouts)) {
		l := layoutOf(key)
		if latest := kmsg.RequestForKey(key).MaxVersion(); l.max != latest {
			t.Errorf("%s: layout up to v%d, kmsg has v%d", l.name, l.max, latest)
		}
		for version := range l.max + 1 {
			checkLayout(t, key, version, l)
		}
	}
}

// checkLayout compares one version of an API with kmsg's encoder. The complete message fits, and
// each beginning fits so far. One byte more or less does not fit. Error 35 is found if it is
// there.
func checkLayout(t *testing.T, key, version int16, l *layout) {
	t.Helper()
	for n := range 3 {
		req := filledRequest(t, key, version, n)
		if got := l.walkRequest(version, int64(len(req)), req); got != fitsExactly {
			t.Fatalf("%s v%d request with %d elements: fit %d, want %d", l.name, version, n, got, fitsExactly)
		}
		if got := l.walkRequest(version, int64(len(req))+1, append(req, 0)); got != misfit {
			t.Fatalf("%s v%d request with a byte too much: fit %d, want %d", l.name, version, got, misfit)
		}
		for cut := range req {
			if got := l.walkRequest(version, int64(len(req)), req[:cut]); got != fitsSoFar {
				t.Fatalf("%s v%d request of %d bytes, %d there: fit %d, want %d", l.name, version, len(req), cut, got, fitsSoFar)
			}
			if got := l.walkRequest(version, int64(cut), req[:cut]); got != misfit && n > 0 {
				t.Fatalf("%s v%d request of %d bytes ending at %d: fit %d, want %d", l.name, version, len(req), cut, got, misfit)
			}
		}
		for _, code := range []int16{0, 3, errUnsupportedVersion, errUnsupportedForMessageFormat} {
			resp := filledResponse(t, key, version, n, code)
			got, found := l.walkResponse(key, version, int64(len(resp)), resp)
			if got != fitsExactly {
				t.Fatalf("%s v%d response with %d elements: fit %d, want %d", l.name, version, n, got, fitsExactly)
			}
			want := code
			if code == 3 {
				want = errNone
			}
			if found != want && (n > 0 || found != errNone) {
				t.Fatalf("%s v%d response with error %d: found %d", l.name, version, code, found)
			}
		}
	}
}

func TestLayoutRejectsHostileCounts(t *testing.T) {
	big := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	for _, tt := range []struct {
		name         string
		key, version int16
		body         []byte
	}{
		{"tag count of 2^32-1 in eight bytes", 18, 3, append([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, 1, 1, 0)},
		{"compact array of 2^32-2", 3, 12, append([]byte{0}, big...)},
		{"array of 2^31-1", 3, 0, []byte{0x7f, 0xff, 0xff, 0xff}},
		{"array of -2", 3, 0, []byte{0xff, 0xff, 0xff, 0xfe}},
		{"string of 32767", 10, 0, []byte{0x7f, 0xff, 'x'}},
		{"string of -2", 10, 0, []byte{0xff, 0xfe}},
		{"variable-length integer without an end", 3, 12, []byte{0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}},
		{"version that is not known", 3, 99, []byte{0, 0, 0, 0}},
		{"negative version", 3, -1, []byte{0, 0, 0, 0}},
	} {
		if got := layoutOf(tt.key).walkRequest(tt.version, int64(len(tt.body)), tt.body); got != misfit {
			t.Errorf("%s: fit %d, want %d", tt.name, got, misfit)
		}
	}
}

func TestNamesAreKafkas(t *testing.T) {
	for key, want := range map[int16]string{
		0: "Produce", 1: "Fetch", 17: "SaslHandshake", 18: "ApiVersions", 29: "DescribeAcls",
		45: "AlterPartitionReassignments", 94: "UnregisterController", 95: "Unknown(95)", -1: "Unknown(-1)", 10000: "Unknown(10000)",
	} {
		if got := APIName(key); got != want {
			t.Errorf("APIName(%d) is %q, want %q", key, got, want)
		}
	}
}

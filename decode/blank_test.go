package decode

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// marked returns a request or response of an API with a marker in every text and bytes field.
func marked(r *rand.Rand, l *layout, fields []field, version int16, flexible bool) []byte {
	var b []byte
	var write func(fields []field)
	length := func(n, width int) {
		if flexible {
			for v := uint64(n + 1); ; v >>= 7 {
				if v < 0x80 {
					b = append(b, byte(v))
					return
				}
				b = append(b, byte(v)|0x80)
			}
		}
		for i := width - 1; i >= 0; i-- {
			b = append(b, byte(n>>(8*i)))
		}
	}
	one := func(f *field) {
		switch f.kind {
		case fixedField:
			for range f.size {
				b = append(b, byte(1+r.IntN(100)))
			}
		case timeoutField:
			b = append(b, 0, 0, 0, 1)
		case errorField:
			b = append(b, 0, errUnsupportedVersion)
		case textField:
			length(len(marker), 2)
			b = append(b, marker...)
		case bytesField:
			length(len(marker), 4)
			b = append(b, marker...)
		case nullableField:
			b = append(b, 1)
			write(f.sub)
		default:
			write(f.sub)
		}
	}
	write = func(fields []field) {
		for i := range fields {
			f := &fields[i]
			switch {
			case version < f.since || version > f.until:
			case f.array:
				length(2, 4)
				one(f)
				one(f)
			default:
				one(f)
			}
		}
		if flexible {
			b = append(append(b, 1, 0, byte(len(marker))), marker...) // a tagged field
		}
	}
	write(fields)
	return b
}

const marker = "secretsecret"

// everyMessage calls do for every API in every version, with a request (and header) and a response
// body.
func everyMessage(do func(key, version int16, l *layout, request, response []byte)) {
	r := rand.New(rand.NewPCG(1, 2))
	for key := range layouts {
		l := &layouts[key]
		for version := int16(0); version <= l.max; version++ {
			flexible := version >= l.flexible
			request := []byte{0, byte(key), 0, byte(version), 0, 0, 0, 7, 0, 3, 'a', 'p', 'p'}
			if key == keyControlledShutdown && version == 0 {
				request = request[:8]
			}
			var response []byte
			if flexible {
				request = append(request, 0)
				if key != keyApiVersions {
					response = append(response, 0)
				}
			}
			request = append(request, marked(r, l, l.request, version, flexible)...)
			response = append(response, marked(r, l, l.response, version, flexible)...)
			do(int16(key), version, l, request, response)
		}
	}
}

// TestBlankAllLeavesNoTextAndEveryPlace: no value stays, but all lengths and error codes do, so
// that the message still fits its layout.
func TestBlankAllLeavesNoTextAndEveryPlace(t *testing.T) {
	everyMessage(func(key, version int16, l *layout, request, response []byte) {
		size := int64(len(request))
		h, _ := parseRequestHeader(size, request)
		if how := h.fits(size, request); how != fitsExactly {
			t.Fatalf("%s v%d: the request built here fits %d", l.name, version, how)
		}
		head := bytes.Clone(request[:h.bodyAt()])
		BlankAll.Request(size, request)
		if !bytes.Equal(request[:len(head)], head) {
			t.Errorf("%s v%d: the header is changed", l.name, version)
		}
		if how := h.fits(size, request); how != fitsExactly {
			t.Errorf("%s v%d: the request fits %d afterwards", l.name, version, how)
		}
		kept := map[int16]int{keyApiVersions: 2, keySaslHandshake: 1}[key]
		if key == keyApiVersions && version < flexibleApiVersions {
			kept = 0
		}
		if n := bytes.Count(request, []byte(marker)); n != kept {
			t.Errorf("%s v%d: %d texts are left in the request, want %d", l.name, version, n, kept)
		}
		if key == keyApiVersions {
			return
		}
		_, was := l.walkResponse(key, version, int64(len(response)), response)
		BlankAll.Response(key, version, int64(len(response)), response)
		how, is := l.walkResponse(key, version, int64(len(response)), response)
		if how != fitsExactly || is != was {
			t.Errorf("%s v%d: the response fits %d afterwards, error %d found, before %d", l.name, version, how, is, was)
		}
		kept = map[int16]int{keySaslHandshake: 2}[key]
		if n := bytes.Count(response, []byte(marker)); n != kept {
			t.Errorf("%s v%d: %d texts are left in the response, want %d", l.name, version, n, kept)
		}
	})
}

// TestBlankSecretsLeavesNoBytes: the bytes fields of every API are overwritten, and everything in
// those with credentials and configuration.
func TestBlankSecretsLeavesNoBytes(t *testing.T) {
	secretive := map[int16]bool{33: true, 36: true, 38: true, 39: true, 40: true, 41: true, 44: true, 51: true, 58: true, 72: true}
	everyMessage(func(key, version int16, l *layout, request, response []byte) {
		BlankSecrets.Request(int64(len(request)), request)
		BlankSecrets.Response(key, version, int64(len(response)), response)
		if secretive[key] && (bytes.Contains(request, []byte(marker)) || bytes.Contains(response, []byte(marker))) {
			t.Errorf("%s v%d: texts are left", l.name, version)
		}
		if key == keyProduce && bytes.Count(request, []byte(marker)) > 3 {
			t.Errorf("%s v%d: more is left than the transactional id and two topics: %q", l.name, version, request)
		}
	})
}

// TestBlankOverwritesWhatItDoesNotKnow: an unknown API, an unknown version and bytes that do not
// fit the layout.
func TestBlankOverwritesWhatItDoesNotKnow(t *testing.T) {
	for _, c := range []struct {
		name         string
		key, version int16
	}{{"unknown API", 999, 0}, {"unknown version", 3, 99}, {"misfit", 3, 1}} {
		head := []byte{byte(c.key >> 8), byte(c.key), 0, byte(c.version), 0, 0, 0, 7, 0, 3, 'a', 'p', 'p'}
		message := append(bytes.Clone(head), marker+marker...)
		BlankSecrets.Request(int64(len(message)), message)
		if want := append(head, make([]byte, 2*len(marker))...); !bytes.Equal(message, want) {
			t.Errorf("%s: %q is left", c.name, message)
		}
		body := []byte(marker)
		BlankSecrets.Response(c.key, c.version, int64(len(body)), body)
		if !bytes.Equal(body, make([]byte, len(marker))) {
			t.Errorf("%s: %q is left of the response", c.name, body)
		}
	}
	noRequest := []byte("GET / HTTP/1.1\r\n")
	BlankAll.Request(int64(len(noRequest)), noRequest)
	if !bytes.Equal(noRequest, make([]byte, len(noRequest))) {
		t.Errorf("%q is left of what is no request", noRequest)
	}
}

// TestBlankKeepsAcks: without them, a Produce request without a response looks like one that needs
// none.
func TestBlankKeepsAcks(t *testing.T) {
	for version := int16(0); version <= layouts[keyProduce].max; version++ {
		req := kmsg.NewPtrProduceRequest()
		req.SetVersion(version)
		req.Acks = 1
		message := kmsg.NewRequestFormatter(kmsg.FormatterClientID("app")).AppendRequest(nil, req, 7)[4:]
		BlankAll.Request(int64(len(message)), message)
		h, _ := parseRequestHeader(int64(len(message)), message)
		if got, ok := acks(version, h.body(message)); got != 1 || !ok {
			t.Errorf("v%d: acks is %d, %t", version, got, ok)
		}
	}
}

// FuzzBlank looks for messages in which a byte is neither kept nor zero, and for panics.
func FuzzBlank(f *testing.F) {
	f.Add(int16(0), int16(9), []byte{0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 'x', 0, 0, 0, 1, 0, 0, 0, 0})
	f.Add(int16(18), int16(3), []byte{0, 18, 0, 3, 0, 0, 0, 1, 0, 1, 'x', 0, 2, 'l', 2, '1', 0})
	f.Add(int16(36), int16(0), []byte{0, 36, 0, 0, 0, 0, 0, 1, 0, 1, 'x', 0, 0, 0, 2, 'p', 'w'})
	f.Fuzz(func(t *testing.T, key, version int16, message []byte) {
		for _, level := range []Blanking{BlankSecrets, BlankAll} {
			for _, size := range []int64{int64(len(message)), int64(len(message)) + 100} {
				request, response := bytes.Clone(message), bytes.Clone(message)
				level.Request(size, request)
				level.Response(key, version, size, response)
				for i := range message {
					if request[i] != message[i] && request[i] != 0 || response[i] != message[i] && response[i] != 0 {
						t.Fatalf("byte %d of %x was made up", i, message)
					}
				}
			}
		}
	})
}

package decode

import "github.com/twmb/franz-go/pkg/kbin"

// fieldReader adds to kbin.Reader strings without a copy, and tagged fields. A value that is
// missing or does not fit reads as zero. Ok is then false, and all later values are missing too.
type fieldReader struct{ kbin.Reader }

func newFieldReader(b []byte) fieldReader { return fieldReader{kbin.Reader{Src: b}} }

// text reads a STRING; null is empty.
func (r *fieldReader) text() []byte { return r.Span(int(max(r.Int16(), 0))) }

// compactText reads a COMPACT_STRING (KIP-482); null is empty.
func (r *fieldReader) compactText() []byte { return r.Span(int(max(int64(r.Uvarint())-1, 0))) }

// count reads the length of an ARRAY or of BYTES, or of their compact forms (KIP-482); -1 is null.
func (r *fieldReader) count(isFlexible bool) int64 {
	if isFlexible {
		return int64(r.Uvarint()) - 1
	}
	return int64(r.Int32())
}

// tags skips tagged fields (KIP-482), and passes each to use unless use is nil. It stops at the
// end of the input, because a hostile count can be 2^32. The loop of kmsg does not stop there.
func (r *fieldReader) tags(use func(tag int64, b []byte)) {
	for n := r.Uvarint(); n > 0 && r.Ok(); n-- {
		tag := int64(r.Uvarint())
		b := r.Span(int(r.Uvarint()))
		if use != nil && r.Ok() {
			use(tag, b)
		}
	}
}

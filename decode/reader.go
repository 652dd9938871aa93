package decode

import "encoding/binary"

// reader reads the primitive types of Kafka's protocol from b. A value that is missing or does
// not fit reads as zero and sets bad, and so does everything behind it.
// franz-go's kbin is no substitute: its tags loop runs up to 2^32 times behind the end of the input.
type reader struct {
	b   []byte
	bad bool
}

// span returns the next n bytes.
func (r *reader) span(n int64) []byte {
	if n < 0 || n > int64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}

// int16 reads an INT16.
func (r *reader) int16() int16 {
	if b := r.span(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

// int32 reads an INT32.
func (r *reader) int32() int32 {
	if b := r.span(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// int64 reads an INT64.
func (r *reader) int64() int64 {
	if b := r.span(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// uvarint reads an UNSIGNED_VARINT (KIP-482), of at most 5 bytes.
func (r *reader) uvarint() int64 {
	var n int64
	for shift := 0; shift < 35; shift += 7 {
		b := r.span(1)
		if b == nil {
			return 0
		}
		n |= int64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return n
		}
	}
	r.b, r.bad = nil, true
	return 0
}

// text reads a STRING; null is empty.
func (r *reader) text() []byte { return r.span(int64(max(r.int16(), 0))) }

// compactText reads a COMPACT_STRING (KIP-482); null is empty.
func (r *reader) compactText() []byte { return r.span(max(r.uvarint()-1, 0)) }

// tags steps over tagged fields (KIP-482), handing each to use if that is not nil.
func (r *reader) tags(use func(tag int64, b []byte)) {
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		tag := r.uvarint()
		b := r.span(r.uvarint())
		if use != nil && !r.bad {
			use(tag, b)
		}
	}
}

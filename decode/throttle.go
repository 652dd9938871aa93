package decode

import "encoding/binary"

// throttle returns throttle_time_ms of a response, 0 if it has none or it was not captured. After
// it, the broker reads nothing from the connection for that time (KIP-219). body is the captured
// part of the response after the correlation id, size the complete length. The field is the last
// one of Produce, and the first one of other APIs.
func throttle(key, version int16, size int64, body []byte) int32 {
	const width = 4
	l := layoutOf(key)
	if l == nil || version < 0 || version > l.max {
		return 0
	}
	flexible, first := version >= l.flexible, &l.response[0]
	switch {
	case key == keyProduce:
		if version < 1 || int64(len(body)) != size {
			return 0
		}
		if flexible && len(body) > 0 && body[len(body)-1] == 0 { // no tagged fields
			body = body[:len(body)-1]
		}
		body = body[max(len(body)-width, 0):]
	case first.kind != fixedField || first.size != width || first.array || version < first.since || version > first.until:
		return 0
	case flexible && len(body) > 0 && body[0] == 0:
		body = body[1:]
	}
	if len(body) < width {
		return 0
	}
	return int32(binary.BigEndian.Uint32(body))
}

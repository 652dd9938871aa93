package decode

import "encoding/binary"

// maxClientIDs is how many client ids of one connection are listed. A
// connection has one; a proxy may put several on one.
const maxClientIDs = 4

// clientName is a client id of a connection.
type clientName struct {
	// text is the client id, or its beginning and cutMark.
	text string
	// length is its length on the wire, kept how many bytes of it text holds.
	length, kept int
}

// is tells whether hd has this client id. One whose end is missing, here or in the capture,
// is taken for the one that begins like it.
func (c *clientName) is(hd *requestHeader) bool {
	if c.length != hd.idLength {
		return false
	}
	n := min(c.kept, len(hd.clientID))
	return c.text[:n] == string(hd.clientID[:n])
}

// client returns the client id of a request, and lists it.
func (h *handler) client(hd *requestHeader) (id string, has bool) {
	if hd.idLength < 0 {
		h.nullID = h.nullID || hd.idLength == nullID
		return "", false
	}
	if int(h.latestName) < len(h.ids) && h.ids[h.latestName].is(hd) {
		return h.name(int(h.latestName), hd), true
	}
	for i := range h.ids {
		if h.ids[i].is(hd) {
			h.latestName = int8(i)
			return h.name(i, hd), true
		}
	}
	if len(hd.clientID) == 0 && hd.idLength > 0 {
		return "", false // nothing of it was captured
	}
	c := h.newName(hd)
	if len(h.ids) == maxClientIDs {
		h.idsOmitted++
		return c.text, true
	}
	h.latestName = int8(len(h.ids))
	h.ids = append(h.ids, c)
	return c.text, true
}

// name is the i-th client id, which hd has; where hd holds more of it than was seen before, that is kept.
func (h *handler) name(i int, hd *requestHeader) string {
	if c := &h.ids[i]; c.kept < min(len(hd.clientID), maxClientID-utf8Slack) {
		*c = h.newName(hd)
	}
	return h.ids[i].text
}

// utf8Slack is how many bytes a text can be cut below maxClientID to end with a whole character.
const utf8Slack = 4

// newName takes the client id from a header.
func (h *handler) newName(hd *requestHeader) clientName {
	short, wasCut := cut(hd.clientID)
	c := clientName{length: hd.idLength, kept: len(short)}
	switch {
	case wasCut || hd.idLength > maxClientID:
		h.shard.limits.LongTexts++
		c.text = h.shard.shareMarked(short)
	case len(short) < hd.idLength:
		c.text = h.shard.shareMarked(short)
	default:
		c.text = h.shard.intern(short)
	}
	return c
}

// clientIDs lists the connection's client ids.
func (h *handler) clientIDs() []string {
	if len(h.ids) == 0 {
		return nil
	}
	texts := make([]string, len(h.ids))
	for i := range h.ids {
		texts[i] = h.ids[i].text
	}
	return texts
}

// sameClient tells whether a request has one of the connection's client ids.
func (h *handler) sameClient(hd *requestHeader) bool {
	if hd.idLength < 0 {
		return h.nullID && hd.idLength == nullID
	}
	for i := range h.ids {
		if h.ids[i].is(hd) {
			return true
		}
	}
	return false
}

// clientAnchors are the client ids that are known whole, as they stand on the
// wire. The slices are the shard's.
func (h *handler) clientAnchors() [][]byte {
	s := h.shard
	for i := range h.ids {
		if c := &h.ids[i]; c.kept == c.length {
			from := len(s.anchor)
			s.anchor = append(binary.BigEndian.AppendUint16(s.anchor, uint16(c.length)), c.text...)
			s.anchors = append(s.anchors, s.anchor[from:])
		}
	}
	if h.nullID {
		s.anchors = append(s.anchors, nullAnchor)
	}
	return s.anchors
}

// nullAnchor is a null client id on the wire.
var nullAnchor = []byte{0xff, 0xff}

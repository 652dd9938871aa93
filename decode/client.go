package decode

import "encoding/binary"

// maxClientIDs bounds the client ids listed for one connection. A connection has one; a proxy
// may put several on one.
const maxClientIDs = 4

// maxNameBytes bounds what handler.texts counts: no connection holds more.
const maxNameBytes = (maxClientIDs + 2) * maxClientID

type clientName struct {
	// text is the client id, or its beginning and cutMark.
	text string
	// length is its length on the wire; kept is the number of its bytes in text.
	length, kept int32
}

// is reports whether hd has this client id. If one of them lacks its end, equal beginnings are
// enough.
func (c *clientName) is(hd *requestHeader) bool {
	if c.length != int32(hd.idLength) {
		return false
	}
	n := min(int(c.kept), len(hd.clientID))
	return c.text[:n] == string(hd.clientID[:n])
}

// client returns the client id of a request, and adds it to the connection's list.
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
		return "", false // not captured
	}
	c := h.newName(hd)
	if len(h.ids) == maxClientIDs {
		return c.text, true
	}
	h.latestName = int8(len(h.ids))
	h.ids = append(h.ids, c)
	return c.text, true
}

// name returns the i-th client id, which hd also has. A longer capture of it replaces a shorter
// one.
func (h *handler) name(i int, hd *requestHeader) string {
	if c := &h.ids[i]; int(c.kept) < min(len(hd.clientID), maxClientID-utf8Slack) {
		*c = h.newName(hd)
	}
	return h.ids[i].text
}

// utf8Slack is how many bytes below maxClientID a text can end, so that its last character is
// complete.
const utf8Slack = 4

func (h *handler) newName(hd *requestHeader) clientName {
	short, wasCut := shorten(hd.clientID)
	c := clientName{length: int32(hd.idLength), kept: int32(len(short))}
	switch {
	case wasCut || hd.idLength > maxClientID:
		h.shard.limits.LongTexts++
		c.text = h.shard.shareMarked(short)
	case len(short) < hd.idLength:
		c.text = h.shard.shareMarked(short)
	default:
		c.text = h.shard.intern(short)
	}
	h.texts = min(h.texts+uint32(len(c.text)), maxNameBytes)
	return c
}

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

// sameClient reports whether a request has one of the connection's client ids.
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

// clientAnchors returns the client ids that were captured completely, as on the wire. The slices
// belong to the shard.
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

var nullAnchor = []byte{0xff, 0xff}

package capturetest

import "encoding/binary"

// API keys that this package uses.
const (
	KeyApiVersions      = 18
	KeySaslHandshake    = 17
	KeySaslAuthenticate = 36
)

// ErrorUnsupportedVersion is the Kafka error code 35.
const ErrorUnsupportedVersion = 35

// RequestHeader is a Kafka request header.
type RequestHeader struct {
	Key, Version  int16
	CorrelationID int32
	// ClientID is in headers of version 1 and 2.
	ClientID string
	// NullClientID writes the client id as null.
	NullClientID bool
	// HeaderVersion is 0 (ControlledShutdown v0), 1, or 2 (flexible versions, KIP-482).
	HeaderVersion int
}

// Frame returns the request: size, header and body.
func (h RequestHeader) Frame(body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(h.Key))
	b = binary.BigEndian.AppendUint16(b, uint16(h.Version))
	b = binary.BigEndian.AppendUint32(b, uint32(h.CorrelationID))
	switch {
	case h.HeaderVersion == 0:
	case h.NullClientID:
		b = binary.BigEndian.AppendUint16(b, 0xffff)
	default:
		b = appendString(b, h.ClientID)
	}
	if h.HeaderVersion >= 2 {
		b = append(b, 0) // no tags
	}
	return Frame(append(b, body...))
}

// Frame returns a message with its 4-byte size before it.
func Frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
}

// ResponseFrame returns a response: size, header and body. Flexible responses have an empty tag
// section in the header (KIP-482), except ApiVersions (KIP-511).
func ResponseFrame(correlationID int32, flexible bool, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(correlationID))
	if flexible {
		b = append(b, 0)
	}
	return Frame(append(b, body...))
}

// Message is a request or response body. The requests and responses of
// github.com/twmb/franz-go/pkg/kmsg are messages. This package does not import that module.
type Message interface {
	Key() int16
	GetVersion() int16
	IsFlexible() bool
	AppendTo([]byte) []byte
}

// Request returns a request with its size field.
func Request(m Message, correlationID int32, clientID string) []byte {
	h := RequestHeader{Key: m.Key(), Version: m.GetVersion(), CorrelationID: correlationID, ClientID: clientID, HeaderVersion: 1}
	if m.IsFlexible() {
		h.HeaderVersion = 2
	}
	return h.Frame(m.AppendTo(nil))
}

// Response returns a response with its size field.
func Response(m Message, correlationID int32) []byte {
	return ResponseFrame(correlationID, m.IsFlexible() && m.Key() != KeyApiVersions, m.AppendTo(nil))
}

// ApiVersionsRequest returns an ApiVersions request of any version. Version 3 and later name the
// client's software (KIP-511). Version 5 and later have a cluster and a node (KIP-1242), which are
// null here.
func ApiVersionsRequest(version int16, correlationID int32, clientID, software, softwareVersion string) []byte {
	h := RequestHeader{Key: KeyApiVersions, Version: version, CorrelationID: correlationID, ClientID: clientID, HeaderVersion: 1}
	var body []byte
	if version >= 3 {
		h.HeaderVersion = 2
		body = appendCompact(body, software)
		body = appendCompact(body, softwareVersion)
		if version >= 5 {
			body = append(body, 0)                                  // cluster id: null
			body = binary.BigEndian.AppendUint32(body, 0xffff_ffff) // node id: -1
		}
		body = append(body, 0)
	}
	return h.Frame(body)
}

// API is the advertised range of one API.
type API struct{ Key, Min, Max int16 }

// ApiVersionsResponse returns a response to ApiVersions in the given version: v1 added the
// throttle time, v3 the compact encoding.
func ApiVersionsResponse(version int16, correlationID int32, errorCode int16, apis ...API) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(errorCode))
	if version >= 3 {
		b = binary.AppendUvarint(b, uint64(len(apis)+1))
	} else {
		b = binary.BigEndian.AppendUint32(b, uint32(len(apis)))
	}
	for _, api := range apis {
		b = binary.BigEndian.AppendUint16(b, uint16(api.Key))
		b = binary.BigEndian.AppendUint16(b, uint16(api.Min))
		b = binary.BigEndian.AppendUint16(b, uint16(api.Max))
		if version >= 3 {
			b = append(b, 0)
		}
	}
	if version >= 1 {
		b = binary.BigEndian.AppendUint32(b, 0) // throttle time
	}
	if version >= 3 {
		b = append(b, 0)
	}
	return ResponseFrame(correlationID, false, b)
}

// UnsupportedApiVersions returns the response of a broker that does not support the version of an
// ApiVersions request: error 35 in a v0 body. Since Kafka 2.4 it has the range of ApiVersions
// itself, before it had no range (KIP-511).
func UnsupportedApiVersions(correlationID int32, apis ...API) []byte {
	return ApiVersionsResponse(0, correlationID, ErrorUnsupportedVersion, apis...)
}

// SaslHandshake returns a SaslHandshake request. Raw tokens follow v0 (use Frame),
// SaslAuthenticate requests follow v1 (KIP-152).
func SaslHandshake(version int16, correlationID int32, clientID, mechanism string) []byte {
	h := RequestHeader{Key: KeySaslHandshake, Version: version, CorrelationID: correlationID, ClientID: clientID, HeaderVersion: 1}
	return h.Frame(appendString(nil, mechanism))
}

// SaslHandshakeResponse returns a response to SaslHandshake with the enabled mechanisms.
func SaslHandshakeResponse(correlationID int32, errorCode int16, mechanisms ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(errorCode))
	b = binary.BigEndian.AppendUint32(b, uint32(len(mechanisms)))
	for _, m := range mechanisms {
		b = appendString(b, m)
	}
	return ResponseFrame(correlationID, false, b)
}

// SaslAuthenticate returns a SaslAuthenticate request of version 0 or 1.
func SaslAuthenticate(version int16, correlationID int32, clientID string, token []byte) []byte {
	h := RequestHeader{Key: KeySaslAuthenticate, Version: version, CorrelationID: correlationID, ClientID: clientID, HeaderVersion: 1}
	return h.Frame(appendBytes(nil, token))
}

// SaslAuthenticateResponse returns a response to SaslAuthenticate of version 0 or 1. An empty
// message is null.
func SaslAuthenticateResponse(version int16, correlationID int32, errorCode int16, message string, token []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(errorCode))
	if message == "" {
		b = binary.BigEndian.AppendUint16(b, 0xffff)
	} else {
		b = appendString(b, message)
	}
	b = appendBytes(b, token)
	if version >= 1 {
		b = binary.BigEndian.AppendUint64(b, 0) // session lifetime
	}
	return ResponseFrame(correlationID, false, b)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendBytes(b, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
}

// appendCompact appends a compact string (KIP-482).
func appendCompact(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s)+1)), s...)
}

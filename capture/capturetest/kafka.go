package capturetest

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// API keys that this package uses.
const (
	KeyApiVersions      = 18
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
	// HeaderVersion is 0 (ControlledShutdown v0), 1, or 2 (flexible versions, KIP-482).
	HeaderVersion int
}

// Frame returns the request: size, header and body.
func (h RequestHeader) Frame(body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(h.Key))
	b = binary.BigEndian.AppendUint16(b, uint16(h.Version))
	b = binary.BigEndian.AppendUint32(b, uint32(h.CorrelationID))
	if h.HeaderVersion > 0 {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(h.ClientID))), h.ClientID...)
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

// Message is a request or response body, as in package kmsg.
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
// client's software (KIP-511).
func ApiVersionsRequest(version int16, correlationID int32, clientID, software, softwareVersion string) []byte {
	r := kmsg.NewPtrApiVersionsRequest()
	r.Version, r.ClientSoftwareName, r.ClientSoftwareVersion = version, software, softwareVersion
	return Request(r, correlationID, clientID)
}

// API is the advertised range of one API.
type API struct{ Key, Min, Max int16 }

// ApiVersionsResponse returns a response to ApiVersions in the given version.
func ApiVersionsResponse(version int16, correlationID int32, errorCode int16, apis ...API) []byte {
	r := kmsg.NewPtrApiVersionsResponse()
	r.Version, r.ErrorCode = version, errorCode
	for _, api := range apis {
		r.ApiKeys = append(r.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: api.Key, MinVersion: api.Min, MaxVersion: api.Max})
	}
	return Response(r, correlationID)
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
	return Request(&kmsg.SASLHandshakeRequest{Version: version, Mechanism: mechanism}, correlationID, clientID)
}

// SaslHandshakeResponse returns a response to SaslHandshake with the enabled mechanisms.
func SaslHandshakeResponse(correlationID int32, errorCode int16, mechanisms ...string) []byte {
	return Response(&kmsg.SASLHandshakeResponse{ErrorCode: errorCode, SupportedMechanisms: mechanisms}, correlationID)
}

// SaslAuthenticate returns a SaslAuthenticate request.
func SaslAuthenticate(version int16, correlationID int32, clientID string, token []byte) []byte {
	return Request(&kmsg.SASLAuthenticateRequest{Version: version, SASLAuthBytes: token}, correlationID, clientID)
}

// SaslAuthenticateResponse returns a response to SaslAuthenticate. An empty message is null.
func SaslAuthenticateResponse(version int16, correlationID int32, errorCode int16, message string, token []byte) []byte {
	r := &kmsg.SASLAuthenticateResponse{Version: version, ErrorCode: errorCode, SASLAuthBytes: token}
	if message != "" {
		r.ErrorMessage = &message
	}
	return Response(r, correlationID)
}

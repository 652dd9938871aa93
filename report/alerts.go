package report

import (
	"strings"

	"github.com/kafkavet/kafkavet/decode/sealed"
)

// The detail of a failed TLS handshake is alertPrefix, the name of the alert, and its sender.
const (
	alertPrefix = "alert "
	fromBroker  = " from the broker"
)

type alert struct{ meaning, advice string }

const (
	checkTrust   = "Give the client the CA that signed the broker's certificate (ssl.truststore.location, ssl.ca.location), with all intermediate certificates."
	checkVersion = "Enable a TLS version that both sides support (ssl.enabled.protocols, ssl.protocol)."
	checkSuite   = "Enable a cipher suite and a signature algorithm that both sides support (ssl.cipher.suites), and check that the certificate's key fits them."
	checkName    = "Connect by a name that is in the certificate (subjectAltName), or add the name: see bootstrap.servers and advertised.listeners."
	checkClock   = "Renew the certificate, and check the clocks of both sides."
	readLogs     = "Read the log of the side that sent the alert: it names the reason."
	// checkClient is for a broker that refuses the client's certificate.
	checkClient = "Give the client a certificate that the broker trusts (ssl.keystore.location, ssl.certificate.location), or set ssl.client.auth of the broker to none."
)

// alerts are the alerts that end a handshake (RFC 8446, section 6.2). An alert of the broker about
// a certificate is about the client's: clientAlerts.
var (
	alerts = map[string]alert{
		"unknown_ca":              {"The client does not trust the CA of the broker's certificate.", checkTrust},
		"bad_certificate":         {"The client does not accept the broker's certificate: its signature, its form or its name is wrong.", checkTrust + " " + checkName},
		"certificate_unknown":     {"The client does not accept the broker's certificate; Java sends this for an unknown CA or a wrong name.", checkTrust + " " + checkName},
		"unsupported_certificate": {"The client does not support the type of the broker's certificate.", "Use a certificate for server authentication with a usual key (RSA, ECDSA)."},
		"certificate_expired":     {"The broker's certificate has expired or is not valid yet.", checkClock},
		"certificate_revoked":     {"The broker's certificate was revoked.", "Renew the broker's certificate."},
		"certificate_required":    {"The broker wants a certificate from the client, and the client sent none.", checkClient},
		"access_denied":           {"The certificate is valid, and its owner is not allowed.", readLogs},
		"handshake_failure":       {"The two sides have no cipher suite or signature algorithm in common, or a client certificate is missing.", checkSuite + " " + checkClient},
		"insufficient_security":   {"The broker wants stronger cipher suites than the client supports.", checkSuite},
		"protocol_version":        {"The two sides have no TLS version in common.", checkVersion},
		"inappropriate_fallback":  {"The client tried a lower TLS version than the broker supports.", checkVersion},
		"unrecognized_name":       {"The broker's side has no certificate for the server name that the client asked for.", checkName},
		"no_application_protocol": {"The broker's side speaks none of the protocols that the client asked for (ALPN): it is no Kafka listener.", "Use the port of a Kafka listener."},
		"decrypt_error":           {"A signature or a key of the handshake is wrong.", readLogs},
		"unexpected_message":      {"A message came that does not belong to the handshake: one side may not speak TLS.", "Check whether the listener speaks TLS (security.protocol)."},
		"record_overflow":         {"A TLS record was too long: one side may not speak TLS.", "Check whether the listener speaks TLS (security.protocol)."},
		"decode_error":            {"A message of the handshake could not be read.", readLogs},
		"illegal_parameter":       {"A value in the handshake is not allowed.", readLogs},
		"internal_error":          {"The sender failed for a reason of its own.", readLogs},
		"user_canceled":           {"The sender gave up before the handshake was over.", readLogs},
		"close_notify":            {"The sender closed before the handshake was over.", readLogs},
	}
	clientAlerts = map[string]alert{
		"unknown_ca":              {"The broker does not trust the CA of the client's certificate.", checkClient},
		"bad_certificate":         {"The broker does not accept the client's certificate, or the client sent none.", checkClient},
		"certificate_unknown":     {"The broker does not accept the client's certificate.", checkClient},
		"unsupported_certificate": {"The broker does not support the type of the client's certificate.", checkClient},
		"certificate_expired":     {"The client's certificate has expired or is not valid yet.", checkClock},
		"certificate_revoked":     {"The client's certificate was revoked.", checkClient},
	}
)

// refusedCertificates are the handshakes of TLS 1.3 that ended on a certificate, without a key.
var refusedCertificates = map[sealed.Certificate]struct{ detail, meaning, advice string }{
	sealed.OfBroker: {
		"closed by the client on the broker's certificate",
		"The client sent an alert instead of the end of the handshake: it does not accept the broker's certificate. Its log has the reason.",
		checkTrust + " " + checkName,
	},
	sealed.OfClient: {
		"closed by the broker on the client's certificate",
		"The broker sent an alert instead of a response: it does not accept the client's certificate. Its log has the reason.",
		checkClient,
	},
	sealed.NoCertificate: {
		"closed by the broker, which requested a certificate and got none", alerts["certificate_required"].meaning, checkClient,
	},
}

// alertOf returns the meaning of the alert in a finding's detail. ok is false if unknown.
func alertOf(detail string) (a alert, ok bool) {
	for _, r := range refusedCertificates {
		if r.detail == detail {
			return alert{r.meaning + " This is inferred from the lengths of encrypted records.", r.advice}, true
		}
	}
	name, isAlert := strings.CutPrefix(detail, alertPrefix)
	name, from, _ := strings.Cut(name, " from ")
	if !isAlert {
		return alert{}, false
	}
	if a, ok = clientAlerts[name]; ok && " from "+from == fromBroker {
		return a, true
	}
	if a, ok = alerts[name]; !ok {
		a = alert{"The alert has no meaning that is known here.", readLogs}
	}
	return a, true
}

package main

import (
	"fmt"
	"strings"
)

// listener is a way to reach the broker.
type listener struct {
	// security is Kafka's name for the protocol, and the listener's own.
	security  string
	mechanism string
	port      int
	// suffix ends the names of captures.
	suffix string
}

// The listeners have one port for each protocol; the one between brokers and
// the lab itself is apart so that a recording holds the client's connections alone.
var (
	plaintext = listener{"PLAINTEXT", "", 9092, ""}
	ssl       = listener{"SSL", "", 9093, "_tls"}
	saslPlain = listener{"SASL_PLAINTEXT", "PLAIN", 9094, "_sasl-plain"}
	scram256  = listener{"SASL_PLAINTEXT", "SCRAM-SHA-256", 9094, "_sasl-scram-256"}
	scram512  = listener{"SASL_PLAINTEXT", "SCRAM-SHA-512", 9094, "_sasl-scram-512"}
	saslSSL   = listener{"SASL_SSL", "PLAIN", 9095, "_tls_sasl-plain"}
	scramSSL  = listener{"SASL_SSL", "SCRAM-SHA-512", 9095, "_tls_sasl-scram-512"}
)

const (
	internalPort, controllerPort, zookeeperPort = 9090, 9099, 2181
	host                                        = "127.0.0.1"
	// The one user. Everything secret contains that word, so that a leak can be searched for.
	user, password = "lab", "secret-password"
)

// address is where clients find a port.
func address(port int) string { return fmt.Sprintf("%s:%d", host, port) }

// listening is the part of a broker's configuration that names its listeners. Releases
// before 0.10.2 know one listener for each protocol and no names (KIP-103):
// they get the first only, which is all that asking for their ranges needs.
func (n node) listening() (config []string, internal string) {
	if !n.atLeast(0, 10, 2) {
		return []string{"listeners=PLAINTEXT://" + address(plaintext.port)}, address(plaintext.port)
	}
	open, kinds := []string{fmt.Sprintf("INTERNAL://%s", address(internalPort))}, []string{"INTERNAL:PLAINTEXT"}
	for _, l := range []listener{plaintext, ssl, saslPlain, saslSSL} {
		open, kinds = append(open, l.security+"://"+address(l.port)), append(kinds, l.security+":"+l.security)
	}
	config = append(config, "advertised.listeners="+strings.Join(open, ","), "inter.broker.listener.name=INTERNAL")
	if n.mode == kraft {
		open, kinds = append(open, fmt.Sprintf("CONTROLLER://%s", address(controllerPort))), append(kinds, "CONTROLLER:PLAINTEXT")
	}
	return append(config, "listeners="+strings.Join(open, ","), "listener.security.protocol.map="+strings.Join(kinds, ",")), address(internalPort)
}

// encrypted tells whether TLS is spoken.
func (l listener) encrypted() bool {
	return l.security == ssl.security || l.security == saslSSL.security
}

// keyLog is the file for TLS secrets, none where there are none.
func (l listener) keyLog(file string) string {
	if l.encrypted() {
		return file
	}
	return ""
}

// environment is what a client is told.
func (l listener) environment(topic, group, ca, keys string, r release) []string {
	return []string{
		"KAFKA_BOOTSTRAP=" + address(l.port),
		"KAFKA_TOPIC=" + topic,
		"KAFKA_GROUP=" + group,
		"KAFKA_SECURITY=" + l.security,
		"KAFKA_SASL_MECHANISM=" + l.mechanism,
		"KAFKA_USER=" + user,
		"KAFKA_PASSWORD=" + password,
		"KAFKA_CA=" + ca,
		"KAFKA_RELEASE=" + r.version,
		"SSLKEYLOGFILE=" + keys,
	}
}

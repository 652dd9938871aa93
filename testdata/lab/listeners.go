package main

import (
	"fmt"
	"slices"
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
	// What clients reach through a proxy; the broker listens proxyOffset below.
	proxied    = listener{"PLAINTEXT", "", 19096, ""}
	proxiedSSL = listener{"SSL", "", 19097, "_tls"}
)

// proxyOffset is between the port of a proxy and that of the broker behind it.
const proxyOffset = 10_000

const (
	internalPort, controllerPort, zookeeperPort = 9090, 9099, 2181
	// host is the address of a broker that has only loopback.
	host = "127.0.0.1"
	// The one user. Everything secret contains that word, so that a leak can be searched for.
	user, password = "lab", "secret-password"
)

// address is a port of a broker.
func address(host string, port int) string { return fmt.Sprintf("%s:%d", host, port) }

// listening is the part of a broker's configuration that names its listeners. Releases
// before 0.10.2 know one listener for each protocol and no names (KIP-103):
// they get the first only, which is all that asking for their ranges needs.
func (n node) listening(host string) (config []string, internal string) {
	if !n.atLeast(0, 10, 2) {
		return []string{"listeners=PLAINTEXT://" + address(host, plaintext.port)}, address(host, plaintext.port)
	}
	open, kinds := []string{"INTERNAL://" + address(host, internalPort)}, []string{"INTERNAL:PLAINTEXT"}
	for _, l := range []listener{plaintext, ssl, saslPlain, saslSSL} {
		open, kinds = append(open, l.security+"://"+address(host, l.port)), append(kinds, l.security+":"+l.security)
	}
	advertised := slices.Clone(open)
	for _, l := range []listener{proxied, proxiedSSL} {
		open = append(open, l.name()+"://"+address(host, l.port-proxyOffset))
		advertised, kinds = append(advertised, l.name()+"://"+address(host, l.port)), append(kinds, l.name()+":"+l.security)
	}
	config = append(config, "advertised.listeners="+strings.Join(advertised, ","), "inter.broker.listener.name=INTERNAL")
	if n.mode == kraft {
		open, kinds = append(open, "CONTROLLER://"+address(host, controllerPort)), append(kinds, "CONTROLLER:PLAINTEXT")
	}
	return append(config, "listeners="+strings.Join(open, ","), "listener.security.protocol.map="+strings.Join(kinds, ",")), address(host, internalPort)
}

// name is Kafka's name for the listener.
func (l listener) name() string {
	if l == proxied || l == proxiedSSL {
		return "PROXIED_" + l.security
	}
	return l.security
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
func (l listener) environment(host, topic, group, ca, keys string, r release) []string {
	return []string{
		"KAFKA_BOOTSTRAP=" + address(host, l.port),
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

package report

import "github.com/kafkavet/kafkavet/decode/sealed"

// The ways to a TLS key log, by TLS library. Each begins with a command to copy.
const (
	// https://github.com/neykov/extract-tls-secrets
	keyLogJava = "Client or broker in Java, attached to the running process (extract-tls-secrets, Maven name.neykov:extract-tls-secrets, needs a JDK): " +
		"java -jar extract-tls-secrets-4.0.0.jar PID /tmp/keys.log"
	keyLogGo = "Client in Go, in its code: tls.Config{KeyLogWriter: f}; for sarama config.Net.TLS.Config.KeyLogWriter = f"
	// https://nodejs.org/api/cli.html#--tls-keylogfile, https://docs.python.org/3/library/ssl.html#ssl.SSLContext.keylog_filename
	keyLogScripts = "kafkajs and others in Node.js: node --tls-keylog=/tmp/keys.log APP. " +
		"kafka-python and aiokafka (ssl.create_default_context): SSLKEYLOGFILE=/tmp/keys.log python3 APP"
	// https://github.com/openssl/openssl/blob/master/INSTALL.md#enable-sslkeylog, https://github.com/gojue/ecapture
	keyLogOpenSSL = "librdkafka and its bindings: SSLKEYLOGFILE=/tmp/keys.log APP where OpenSSL is 3.5 or later and built with enable-sslkeylog (most are not: the file then stays empty). " +
		"Otherwise, as root with eBPF, for an OpenSSL that is linked dynamically and a release that eCapture knows: ecapture tls -m keylog --keylogfile=/tmp/keys.log --libssl=/path/to/libssl.so.3"
	keyLogThen = "Start it before the connections are set up, capture again, and give the file with --tls-keylog /tmp/keys.log."
)

// keyLogAdvice says how to get a key log for a client with a TLS library, or for any.
func keyLogAdvice(l sealed.Library) string {
	const broker = " A broker is a process in Java, too: its key log holds the connections of all clients."
	switch l {
	case sealed.Java:
		return "To be sure, get a TLS key log. " + keyLogJava + ". " + keyLogThen
	case sealed.Go:
		return "To be sure, get a TLS key log. " + keyLogGo + ". " + keyLogJava + ". " + keyLogThen
	case sealed.OpenSSL:
		return "To be sure, get a TLS key log. " + keyLogJava + "." + broker + " " + keyLogScripts + ". " + keyLogOpenSSL + ". " + keyLogThen
	}
	return "To be sure, get a TLS key log. " + keyLogJava + "." + broker + " " + keyLogGo + ". " + keyLogScripts + ". " + keyLogOpenSSL + ". " + keyLogThen
}

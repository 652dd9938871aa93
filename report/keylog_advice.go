package report

import (
	"slices"

	"github.com/kafkavet/kafkavet/decode/sealed"
	"github.com/kafkavet/kafkavet/report/model"
)

type keyLogCommand struct {
	// libraries are the TLS libraries of clients that can use it; empty for any.
	libraries []sealed.Library
	model.Command
}

// keyLogCommands are the ways to get a TLS key log. Those that need no restart are first. Sources:
// https://github.com/neykov/extract-tls-secrets, https://pkg.go.dev/crypto/tls#Config,
// https://nodejs.org/api/cli.html#--tls-keylogfile, https://docs.python.org/3/library/ssl.html,
// https://github.com/gojue/ecapture, INSTALL.md of OpenSSL 3.5 (enable-sslkeylog).
var keyLogCommands = []keyLogCommand{
	{nil, model.Command{
		For: "broker (or a client in Java), attached while it runs, needs a JDK and Maven's name.neykov:extract-tls-secrets",
		Run: "java -jar extract-tls-secrets-4.0.0.jar PID /tmp/keys.log",
	}},
	{[]sealed.Library{sealed.OpenSSL}, model.Command{
		For: "librdkafka and others with OpenSSL, while they run: as root, by eBPF, where OpenSSL is a shared library (its path is LIBSSL) of a release that eCapture knows",
		Run: "ecapture tls -m keylog --keylogfile=/tmp/keys.log --libssl=LIBSSL",
	}},
	{[]sealed.Library{sealed.OpenSSL}, model.Command{
		For: "kafka-python and aiokafka, with ssl.create_default_context; librdkafka only with OpenSSL 3.5 or later built with enable-sslkeylog (other builds leave the file empty)",
		Run: "SSLKEYLOGFILE=/tmp/keys.log python3 APP",
	}},
	{[]sealed.Library{sealed.OpenSSL}, model.Command{
		For: "kafkajs and others in Node.js",
		Run: "node --tls-keylog=/tmp/keys.log APP",
	}},
	{[]sealed.Library{sealed.Go}, model.Command{
		For: "sarama, franz-go, kafka-go, in the code of the client",
		Run: "tls.Config{KeyLogWriter: f}",
	}},
}

// keyLogWays returns the commands for clients with these TLS libraries.
func keyLogWays(libraries []sealed.Library) []model.Command {
	var out []model.Command
	for _, k := range keyLogCommands {
		fits := func(l sealed.Library) bool { return slices.Contains(k.libraries, l) }
		if len(k.libraries) == 0 || len(libraries) == 0 || slices.ContainsFunc(libraries, fits) {
			out = append(out, k.Command)
		}
	}
	return out
}

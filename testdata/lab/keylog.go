package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// bySession is how the Java agent writes the secret of a session of TLS 1.2 and older: by
// the session's id. Every tool can read it by the client's random.
var bySession = regexp.MustCompile(`^RSA Session-ID:([0-9A-F]+) Master-Key:([0-9A-F]+)$`)

// byClientRandom rewrites secrets so that every line names a client's random,
// which it takes from the handshakes in the capture.
func byClientRandom(ctx context.Context, capture string, port int, secrets string) (string, error) {
	if !strings.Contains(secrets, "RSA Session-ID:") {
		return secrets, nil
	}
	cmd := exec.CommandContext(ctx, "tshark", "-r", capture, "-d", fmt.Sprintf("tcp.port==%d,tls", port), "-Y", "tls.handshake.type <= 2", "-T", "fields",
		"-e", "tcp.stream", "-e", "tls.handshake.type", "-e", "tls.handshake.random", "-e", "tls.handshake.session_id")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("tshark: %w: %s", err, said.Bytes())
	}
	return joinSecrets(string(out), secrets), nil
}

// joinSecrets finds the client's random to each session: in the same stream, a
// ClientHello (1) has the random and the ServerHello (2) the session's id.
func joinSecrets(hellos, secrets string) string {
	master := map[string]string{}
	var kept strings.Builder
	for line := range strings.Lines(secrets) {
		if m := bySession.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			master[strings.ToLower(m[1])] = strings.ToLower(m[2])
		} else {
			kept.WriteString(line)
		}
	}
	random := map[string]string{} // by stream
	for line := range strings.Lines(hellos) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) < 4 {
			continue
		}
		switch kind, _, _ := strings.Cut(f[1], ","); kind {
		case "1":
			random[f[0]] = f[2]
		case "2":
			if key, ok := master[f[3]]; ok && random[f[0]] != "" {
				fmt.Fprintf(&kept, "CLIENT_RANDOM %s %s\n", random[f[0]], key)
			}
		}
	}
	return kept.String()
}

// keysOf is the name of the key log beside a capture.
func keysOf(capture string) string { return strings.TrimSuffix(capture, ".pcap") + ".keys" }

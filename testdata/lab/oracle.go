package main

import (
	"context"
	"fmt"
	"os"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// tsharkView lists the requests that tshark sees in a capture, and those of
// them that are outside the range that was advertised last on their own
// connection, in the form of testdata/oracle.
func tsharkView(ctx context.Context, capture string) (requests, violations string, err error) {
	var options []string
	if keys := keysOf(capture); keys != capture {
		if _, err := os.Stat(keys); err == nil {
			options = append(options, "-o", "tls.keylog_file:"+keys)
		}
	}
	for _, l := range []listener{plaintext, ssl, saslPlain, saslSSL, proxied, proxiedSSL} {
		if l.encrypted() {
			options = append(options, "-d", fmt.Sprintf("tcp.port==%d,tls", l.port), "-d", fmt.Sprintf("tls.port==%d,kafka", l.port))
		} else {
			options = append(options, "-d", fmt.Sprintf("tcp.port==%d,kafka", l.port))
		}
	}
	return capturetest.TsharkView(ctx, capture, options...)
}

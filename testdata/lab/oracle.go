package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// tsharkView lists the requests that tshark sees in a capture, and those of
// them that are outside the range that was advertised last on their own
// connection, in the form of testdata/oracle.
func tsharkView(ctx context.Context, capture string) (requests, violations string, err error) {
	args := []string{"-r", capture, "-Y", "kafka.api_key", "-T", "fields"}
	if keys := keysOf(capture); keys != capture {
		if _, err := os.Stat(keys); err == nil {
			args = append(args, "-o", "tls.keylog_file:"+keys)
		}
	}
	for _, l := range []listener{plaintext, ssl, saslPlain, saslSSL, proxied, proxiedSSL} {
		if l.encrypted() {
			args = append(args, "-d", fmt.Sprintf("tcp.port==%d,tls", l.port), "-d", fmt.Sprintf("tls.port==%d,kafka", l.port))
		} else {
			args = append(args, "-d", fmt.Sprintf("tcp.port==%d,kafka", l.port))
		}
	}
	for _, field := range []string{
		"frame.number", "tcp.stream", "kafka.api_key", "kafka.api_version", "kafka.correlation_id",
		"kafka.api_versions.api_key", "kafka.api_versions.min_version", "kafka.api_versions.max_version", "kafka.error",
	} {
		args = append(args, "-e", field)
	}
	cmd := exec.CommandContext(ctx, "tshark", args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("tshark %s: %w: %s", capture, err, said.Bytes())
	}
	return judge(string(out))
}

// judge holds each request that tshark lists against the ranges that it lists before.
func judge(fields string) (requests, violations string, err error) {
	advertised := map[string]map[string][2]string{} // by stream and API key
	var all, bad strings.Builder
	for line := range strings.Lines(fields) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		frame, stream := f[0], f[1]
		if f[3] == "" { // a response
			if f[5] != "" && strings.HasPrefix(f[8]+",", "0,") {
				advertised[stream] = rangesOf(f[5], f[6], f[7])
			}
			continue
		}
		versions, ids := strings.Split(f[3], ","), strings.Split(f[4], ",")
		for i, key := range strings.Split(f[2], ",") {
			fmt.Fprintf(&all, "%s\t%s\t%s\t%s\t%s\n", frame, stream, key, versions[i], ids[i])
			ranges := advertised[stream]
			if ranges == nil || key == "18" {
				continue
			}
			r, ok := ranges[key]
			if !ok {
				r = [2]string{"-", "-"}
			} else if inside, err := within(versions[i], r); err != nil || inside {
				if err != nil {
					return "", "", err
				}
				continue
			}
			fmt.Fprintf(&bad, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", frame, stream, key, versions[i], r[0], r[1], ids[i])
		}
	}
	return all.String(), bad.String(), nil
}

// rangesOf takes the fields of an ApiVersions response apart.
func rangesOf(keys, lowest, highest string) map[string][2]string {
	low, high := strings.Split(lowest, ","), strings.Split(highest, ",")
	t := map[string][2]string{}
	for i, key := range strings.Split(keys, ",") {
		t[key] = [2]string{low[i], high[i]}
	}
	return t
}

// within tells whether a version lies in a range.
func within(version string, r [2]string) (bool, error) {
	var n [3]int
	for i, s := range []string{version, r[0], r[1]} {
		var err error
		if n[i], err = strconv.Atoi(s); err != nil {
			return false, fmt.Errorf("tshark prints a version as %q", s)
		}
	}
	return n[0] >= n[1] && n[0] <= n[2], nil
}

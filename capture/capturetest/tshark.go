package capturetest

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// TsharkView returns the requests that tshark sees in a capture, and those of them outside the
// range that was advertised last on their own connection, in the form of testdata/oracle. options
// are further arguments for tshark.
func TsharkView(ctx context.Context, path string, options ...string) (requests, violations string, err error) {
	args := append([]string{"-r", path, "-Y", "kafka.api_key", "-T", "fields"}, options...)
	for _, field := range []string{
		"frame.number", "tcp.stream", "kafka.api_key", "kafka.api_version", "kafka.correlation_id",
		"kafka.api_versions.api_key", "kafka.api_versions.min_version", "kafka.api_versions.max_version", "kafka.error",
	} {
		args = append(args, "-e", field)
	}
	cmd := exec.CommandContext(ctx, "tshark", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("tshark %s: %w: %s", path, err, stderr.Bytes())
	}
	return judge(string(out))
}

// judge compares each request that tshark lists with the ranges that it lists before.
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

// rangesOf parses the fields of an ApiVersions response.
func rangesOf(keys, lowest, highest string) map[string][2]string {
	low, high := strings.Split(lowest, ","), strings.Split(highest, ",")
	t := map[string][2]string{}
	for i, key := range strings.Split(keys, ",") {
		t[key] = [2]string{low[i], high[i]}
	}
	return t
}

// within reports whether a version is in a range.
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

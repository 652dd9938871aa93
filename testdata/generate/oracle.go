package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// kafkaPorts are those on which the scenes speak Kafka; tshark gets them as flags.
var kafkaPorts = []string{"9092", "9093", "9094", "19092"}

// oracles writes what tshark sees in the scenes' captures, those apart of
// which it is known to see something else than there is.
func oracles(captures, dir string) error {
	for _, s := range scenes() {
		if s.blind != "" || s.files > 1 {
			continue
		}
		path := filepath.Join(captures, s.name+".pcap")
		if _, err := os.Stat(path); err != nil {
			path += "ng"
		}
		requests, violations, err := askTshark(path)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for kind, data := range map[string]string{"requests": requests, "violations": violations} {
			if err := os.WriteFile(filepath.Join(dir, s.name+"."+kind+".tsv"), []byte(data), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// askTshark lists the requests of a capture, and those of them that are outside
// the range that was advertised last on their own connection.
func askTshark(path string) (requests, violations string, err error) {
	args := []string{"-r", path, "-Y", "kafka.api_key", "-T", "fields"}
	for _, port := range kafkaPorts {
		args = append(args, "-d", "tcp.port=="+port+",kafka")
	}
	for _, field := range []string{
		"frame.number", "tcp.stream", "kafka.api_key", "kafka.api_version", "kafka.correlation_id",
		"kafka.api_versions.api_key", "kafka.api_versions.min_version", "kafka.api_versions.max_version", "kafka.error",
	} {
		args = append(args, "-e", field)
	}
	cmd := exec.Command("tshark", args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("tshark: %w: %s", err, said.Bytes())
	}
	advertised := map[string]map[string][2]string{} // by stream and API key
	var all, bad strings.Builder
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		frame, stream := f[0], f[1]
		if f[3] == "" { // a response
			if f[5] != "" && strings.HasPrefix(f[8]+",", "0,") {
				advertised[stream] = table(f[5], f[6], f[7])
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
			}
			if !ok || outside(versions[i], r) {
				fmt.Fprintf(&bad, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", frame, stream, key, versions[i], r[0], r[1], ids[i])
			}
		}
	}
	return all.String(), bad.String(), nil
}

// table takes the fields of an ApiVersions response apart.
func table(keys, lowest, highest string) map[string][2]string {
	low, high := strings.Split(lowest, ","), strings.Split(highest, ",")
	t := map[string][2]string{}
	for i, key := range strings.Split(keys, ",") {
		t[key] = [2]string{low[i], high[i]}
	}
	return t
}

// outside reports whether a version lies outside a range.
func outside(version string, r [2]string) bool {
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			panic(err) // tshark prints these fields as numbers
		}
		return n
	}
	return number(version) < number(r[0]) || number(version) > number(r[1])
}

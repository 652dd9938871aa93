package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxKept is how large a capture in testdata may be, maxKeptInAll what all of the lab's may come
	// to.
	maxKept, maxKeptInAll = 150_000, 6_000_000
)

// keep copies the selected captures that -out has into testdata, each with its key log
// and with tshark's view of it. Those that -out lacks stay as they are.
func keep(ctx context.Context, o options, testdata string, stdout io.Writer) error {
	total, copied := 0, 0
	for _, k := range selection {
		name := k.kept()
		capture := filepath.Join(o.out, k.name+".pcap")
		data, err := os.ReadFile(capture)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		copied++
		if total += len(data); len(data) > maxKept || total > maxKeptInAll {
			return fmt.Errorf("%s: %d bytes, with those before %d: more than %d each, %d in all", name, len(data), total, maxKept, maxKeptInAll)
		}
		files := map[string][]byte{filepath.Join("captures", name+".pcap"): data}
		if k.blind == "" {
			requests, violations, err := tsharkView(ctx, capture)
			if err != nil {
				return err
			}
			files[filepath.Join("oracle", name+".requests.tsv")] = []byte(requests)
			files[filepath.Join("oracle", name+".violations.tsv")] = []byte(violations)
		}
		if keys, err := os.ReadFile(keysOf(capture)); err == nil {
			files[filepath.Join("captures", name+".keys")] = keys
		}
		for path, data := range files {
			if err := os.WriteFile(filepath.Join(testdata, path), data, 0o644); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(stdout, "%d captures, %d bytes; %s lacks %d of the selection\n", copied, total, o.out, len(selection)-copied)
	return nil
}

// keysOf is the name of the key log beside a capture.
func keysOf(capture string) string { return strings.TrimSuffix(capture, ".pcap") + ".keys" }

package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rowsOf returns the given columns of the requests of a capture, sorted. With outside, it omits
// requests inside their range.
func rowsOf(t *testing.T, outside bool, columns []string, args ...string) (rows []string) {
	t.Helper()
	r := csv.NewReader(strings.NewReader(invoke(t, strings.NewReader(""), append([]string{"requests"}, args...)...)))
	r.Comma, r.LazyQuotes = '\t', true
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range all[0] {
		at[name] = i
	}
	for _, row := range all[1:] {
		if outside && !slices.Contains([]string{"above-max", "below-min", "not-advertised"}, row[at["verdict"]]) {
			continue
		}
		var fields []string
		for _, c := range columns {
			fields = append(fields, row[at[c]])
		}
		rows = append(rows, strings.Join(fields, "\t"))
	}
	slices.Sort(rows)
	return rows
}

// TestRequestsAgreeWithTshark compares the requests of every capture with those of tshark, and the
// requests outside their range with the ranges that tshark read.
func TestRequestsAgreeWithTshark(t *testing.T) {
	names, err := filepath.Glob("testdata/oracle/*.requests.tsv")
	if err != nil || len(names) < 90 {
		t.Fatalf("%d files of tshark's, %v", len(names), err)
	}
	for _, name := range names {
		stem := strings.TrimSuffix(filepath.Base(name), ".requests.tsv")
		t.Run(stem, func(t *testing.T) {
			t.Parallel()
			args := []string{filepath.Join("testdata", "captures", stem+".pcap")}
			if !exists(args[0]) {
				args[0] += "ng"
			}
			if keys := filepath.Join("testdata", "captures", stem+".keys"); exists(keys) {
				args = append(args, "--tls-keylog", keys)
			}
			for kind, columns := range map[string][]string{
				"requests":   {"frame", "stream", "api_key", "version", "correlation_id"},
				"violations": {"frame", "stream", "api_key", "version", "min", "max", "correlation_id"},
			} {
				data, err := os.ReadFile(filepath.Join("testdata", "oracle", stem+"."+kind+".tsv"))
				if err != nil {
					t.Fatal(err)
				}
				want := strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' })
				slices.Sort(want)
				got := rowsOf(t, kind == "violations", columns, args...)
				if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 {
					t.Errorf("%s (-tshark +kafkavet):\n%s", kind, d)
				}
			}
		})
	}
}

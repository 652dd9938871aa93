// Command truth holds kafkavet against captures of which it is known what is right, and prints code by
// code how often a finding was named rightly, missed, and said falsely.
//
//	go run ./testdata/truth [-kafkavet PROGRAM] DIR...
//
// Each folder has a truth.json, which maps a capture to what must be true of it: codes (must be there),
// one_of (at least one of them), no (must not be there), first (the first finding), worst (no finding is
// more severe), keys (a TLS key log beside the capture). Exit status 1 where anything is missed or false.
//
// Of each capture NAME.pcap with a key log NAME.keys it also counts connections: those on which the broker
// refused a request, as the key shows, and those of which KV2020 says so without the key.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// truth is what must be true of a capture.
type truth struct {
	Codes map[string]*int `json:"codes"`
	OneOf []string        `json:"one_of"`
	No    []string        `json:"no"`
	First string          `json:"first"`
	Worst string          `json:"worst"`
	Keys  string          `json:"keys"`
}

// report is the part of kafkavet's JSON report that is compared with a truth.
type report struct {
	Findings []struct {
		Code        string `json:"code"`
		Severity    string `json:"severity"`
		API         *int16 `json:"api_key"`
		Version     *int16 `json:"version"`
		Occurrences []struct {
			Stream uint32 `json:"stream"`
		} `json:"occurrences"`
		Omitted int `json:"occurrences_omitted"`
	} `json:"findings"`
}

// row counts what was said of one code.
type row struct{ right, missed, false int }

// matrix holds the rows by code, and the counts of captures.
type matrix struct {
	rows                      map[string]*row
	captures, right           int
	firsts, firstsRight       int
	overSevere, hasWorstLimit int
	// Connections inside TLS: refused as the key shows, and of them named without it; named falsely.
	refused, named, falselyNamed int
}

var severities = map[string]int{"info": 0, "warning": 1, "error": 2}

func main() {
	program := flag.String("kafkavet", "./kafkavet", "the program")
	verbose := flag.Bool("v", false, "name the captures that fall short")
	flag.Parse()
	m := &matrix{rows: map[string]*row{}}
	for _, dir := range flag.Args() {
		if err := m.folder(*program, dir, *verbose); err != nil {
			fmt.Fprintln(os.Stderr, "truth:", err)
			os.Exit(2)
		}
	}
	m.print()
	if m.right < m.captures || m.named < m.refused || m.falselyNamed > 0 {
		os.Exit(1)
	}
}

// folder takes the captures of a folder.
func (m *matrix) folder(program, dir string, verbose bool) error {
	text, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		return err
	}
	var truths map[string]truth
	if err := json.Unmarshal(text, &truths); err != nil {
		return fmt.Errorf("read %s: %w", dir, err)
	}
	for _, name := range slices.Sorted(maps.Keys(truths)) {
		want := truths[name]
		got, err := analyze(program, dir, name, want.Keys)
		if err != nil {
			return fmt.Errorf("analyze %s: %w", name, err)
		}
		if !m.capture(&want, got) && verbose {
			fmt.Println("falls short:", filepath.Join(dir, name))
		}
	}
	return m.sealed(program, dir, verbose)
}

// analyze runs the program on a capture.
func analyze(program, dir, name, keys string) (*report, error) {
	args := []string{"analyze", "--format", "json"}
	if keys != "" {
		args = append(args, "--tls-keylog", filepath.Join(dir, keys))
	}
	out, err := exec.Command(program, append(args, filepath.Join(dir, name))...).Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		return nil, err
	}
	r := &report{}
	return r, json.Unmarshal(out, r)
}

// capture holds a report against what is right, and reports whether all of it is.
func (m *matrix) capture(want *truth, got *report) bool {
	said := map[string]bool{}
	worst := 0
	for _, f := range got.Findings {
		said[f.Code] = true
		worst = max(worst, severities[f.Severity])
	}
	all := true
	for code := range want.Codes {
		all = m.must(code, said[code]) && all
	}
	if len(want.OneOf) > 0 {
		i := slices.IndexFunc(want.OneOf, func(code string) bool { return said[code] })
		all = m.must(want.OneOf[max(i, 0)], i >= 0) && all
	}
	for _, code := range want.No {
		if said[code] {
			m.row(code).false++
			all = false
		}
	}
	if want.First != "" {
		m.firsts++
		if len(got.Findings) > 0 && got.Findings[0].Code == want.First {
			m.firstsRight++
		} else {
			all = false
		}
	}
	if want.Worst != "" {
		m.hasWorstLimit++
		if worst > severities[want.Worst] {
			m.overSevere++
			all = false
		}
	}
	m.captures++
	if all {
		m.right++
	}
	return all
}

// must counts a code that has to be said.
func (m *matrix) must(code string, isSaid bool) bool {
	if isSaid {
		m.row(code).right++
	} else {
		m.row(code).missed++
	}
	return isSaid
}

func (m *matrix) row(code string) *row {
	if m.rows[code] == nil {
		m.rows[code] = &row{}
	}
	return m.rows[code]
}

// print writes the matrix.
func (m *matrix) print() {
	fmt.Printf("%-8s %8s %8s %8s\n", "code", "right", "missed", "false")
	for _, code := range slices.Sorted(maps.Keys(m.rows)) {
		r := m.rows[code]
		fmt.Printf("%-8s %8d %8d %8d\n", code, r.right, r.missed, r.false)
	}
	fmt.Printf("inside TLS without the key: %d of %d refused connections named, %d named falsely\n", m.named, m.refused, m.falselyNamed)
	fmt.Printf("first finding right in %d of %d captures, too severe in %d of %d, all right in %d of %d\n",
		m.firstsRight, m.firsts, m.overSevere, m.hasWorstLimit, m.right, m.captures)
}

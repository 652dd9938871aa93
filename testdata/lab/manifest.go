package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Outcomes of a combination.
const (
	allWell  = "ok"         // the client did all its steps
	failed   = "failed"     // it said that a step failed
	killed   = "killed"     // it did not end in time
	notRun   = "not run"    // broker or client cannot be had here, or do not fit; the reason says why
	noRecord = "unrecorded" // the client ran, but the recording is not whole
)

// entry is what the manifest says about a combination.
type entry struct {
	Broker  string `json:"broker"`
	Client  string `json:"client,omitempty"`
	Library string `json:"library,omitempty"`
	// Scenario is the name of a scenario, empty for a combination.
	Scenario  string `json:"scenario,omitempty"`
	Listener  string `json:"listener,omitempty"`
	Mechanism string `json:"mechanism,omitempty"`
	Outcome   string `json:"outcome"`
	// Exit is the client's exit status, Seconds how long it ran.
	Exit    int     `json:"exit"`
	Seconds float64 `json:"seconds"`
	Reason  string  `json:"reason,omitempty"`
	// Output is what the client printed, BrokerLog what the broker's log says about versions; both cut.
	Output    []string `json:"output,omitempty"`
	BrokerLog []string `json:"broker_log,omitempty"`
	// Capture and Keys are files in the same folder.
	Capture string `json:"capture,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	Keys    string `json:"keys,omitempty"`
}

// key is what identifies an entry over several runs.
func (e entry) key() [4]string { return [4]string{e.Broker, e.Client, e.Listener, e.Mechanism} }

// manifestFile is written when a run ends, from the parts that each broker left.
const manifestFile = "manifest.json"

// partFile is the part of the manifest about one node.
func partFile(o options, n node) string { return filepath.Join(o.out, "part-"+n.String()+".json") }

// readPart reads a part of the manifest, empty when there is none yet.
func readPart(path string) (entries []entry, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &entries)
	}
	return entries, err
}

// writePart replaces the entries of a node that were run again and keeps the others.
func writePart(o options, n node, now []entry) error {
	before, err := readPart(partFile(o, n))
	if err != nil {
		return err
	}
	again := map[[4]string]bool{}
	for _, e := range now {
		again[e.key()] = true
	}
	before = slices.DeleteFunc(before, func(e entry) bool { return again[e.key()] || e.Client == "" })
	return writeEntries(partFile(o, n), append(before, now...))
}

// writeEntries writes entries in a fixed order.
func writeEntries(path string, entries []entry) error {
	slices.SortStableFunc(entries, func(a, b entry) int {
		x, y := a.key(), b.key()
		return slices.Compare(x[:], y[:])
	})
	data, err := json.MarshalIndent(entries, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// mergeManifest writes the manifest from its parts, and prints a summary.
func mergeManifest(o options, stdout io.Writer) error {
	parts, err := filepath.Glob(filepath.Join(o.out, "part-*.json"))
	if err != nil {
		return err
	}
	var all []entry
	for _, part := range parts {
		entries, err := readPart(part)
		if err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
		all = append(all, entries...)
	}
	count := map[string]int{}
	for _, e := range all {
		count[e.Outcome]++
	}
	fmt.Fprintf(stdout, "%d combinations: %d ok, %d failed, %d killed, %d unrecorded, %d not run; %s\n", len(all),
		count[allWell], count[failed], count[killed], count[noRecord], count[notRun], filepath.Join(o.out, manifestFile))
	return writeEntries(filepath.Join(o.out, manifestFile), all)
}

// trimmed cuts a text to a number of lines of bounded length, without what is secret.
func trimmed(text string, lines int) []string {
	const length = 300
	var kept []string
	for line := range strings.Lines(text) {
		line = secretText.ReplaceAllString(strings.TrimRight(line, "\r\n"), "(secret)")
		if line == "" || slices.Contains(kept, line) {
			continue
		}
		if len(line) > length {
			line = strings.ToValidUTF8(line[:length], "") + " ..."
		}
		if kept = append(kept, line); len(kept) == lines {
			break
		}
	}
	return kept
}

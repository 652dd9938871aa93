package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Outcomes of a client.
const (
	allWell = "ok"      // the client did all its steps
	failed  = "failed"  // it said that a step failed
	killed  = "killed"  // it did not end in time
	notRun  = "not run" // it cannot be started; the reason says why
)

// entry is what the manifest says about a client.
type entry struct {
	Broker    string `json:"broker"`
	Client    string `json:"client,omitempty"`
	Library   string `json:"library,omitempty"`
	Scenario  string `json:"scenario,omitempty"`
	Listener  string `json:"listener,omitempty"`
	Mechanism string `json:"mechanism,omitempty"`
	Outcome   string `json:"outcome"`
	// Exit is the client's exit status, Seconds how long it ran.
	Exit    int     `json:"exit"`
	Seconds float64 `json:"seconds"`
	Reason  string  `json:"reason,omitempty"`
	// Output is what the client printed, cut; BrokerLog the requests that the brokers' logs say were
	// refused.
	Output    []string `json:"output,omitempty"`
	BrokerLog []string `json:"broker_log,omitempty"`
	// Capture and Keys are files in the same folder.
	Capture string `json:"capture,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	Keys    string `json:"keys,omitempty"`
}

// manifestFile is beside the captures.
const manifestFile = "manifest.json"

// readManifest reads a manifest, empty when there is none yet.
func readManifest(path string) (entries []entry, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &entries)
	}
	return entries, err
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

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// sealed holds what is said without the key against what the key shows, for each capture of a folder that has
// a key log beside it.
func (m *matrix) sealed(program, dir string, verbose bool) error {
	logs, err := filepath.Glob(filepath.Join(dir, "*.keys"))
	if err != nil {
		return err
	}
	for _, keys := range logs {
		capture := strings.TrimSuffix(keys, ".keys") + ".pcap"
		refused, err := refusedStreams(program, capture, keys)
		if err != nil {
			return fmt.Errorf("list the requests of %s: %w", capture, err)
		}
		named, omitted, err := namedStreams(program, capture)
		if err != nil {
			return fmt.Errorf("analyze %s: %w", capture, err)
		}
		missed, wrong := len(refused), 0
		for s := range named {
			if refused[s] {
				missed--
			} else {
				wrong++
			}
		}
		missed, wrong = max(missed-omitted, 0), wrong+max(omitted-missed, 0)
		m.refused += len(refused)
		m.named += len(refused) - missed
		m.falselyNamed += wrong
		if verbose && missed+wrong > 0 {
			fmt.Printf("falls short without the key: %s: %d of %d missed, %d named falsely\n", capture, missed, len(refused), wrong)
		}
	}
	return nil
}

// outside are the verdicts of requests that a broker refuses for their version, and ends those outcomes
// by which it does.
var (
	outside = []string{"above-max", "below-min", "not-advertised"}
	ends    = []string{"closed", "reset"}
)

// refusedStreams are the connections on which the broker refused a request, as the key shows. Of requests
// without a range, and of those inside it, the report says which versions were refused (KV2001, KV1004).
func refusedStreams(program, capture, keys string) (map[uint32]bool, error) {
	r, err := analyze(program, filepath.Dir(capture), filepath.Base(capture), filepath.Base(keys))
	if err != nil {
		return nil, err
	}
	type version struct{ api, version int16 }
	refused := map[version]bool{}
	for _, f := range r.Findings {
		if f.API != nil && f.Version != nil && (f.Code == "KV2001" || f.Code == "KV1004") {
			refused[version{*f.API, *f.Version}] = true
		}
	}
	out, err := exec.Command(program, "requests", "--format", "json", "--tls-keylog", keys, capture).Output()
	if err != nil {
		return nil, err
	}
	streams := map[uint32]bool{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var row struct {
			Stream           uint32
			API              int16 `json:"api_key"`
			Version          int16
			Verdict, Outcome string
		}
		if err := d.Decode(&row); errors.Is(err, io.EOF) {
			return streams, nil
		} else if err != nil {
			return nil, err
		}
		if (slices.Contains(outside, row.Verdict) || refused[version{row.API, row.Version}]) && slices.Contains(ends, row.Outcome) {
			streams[row.Stream] = true
		}
	}
}

// namedStreams are the connections of which KV2020 says that a request was refused, and how many more
// a report does not list.
func namedStreams(program, capture string) (streams map[uint32]bool, omitted int, err error) {
	r, err := analyze(program, "", capture, "")
	if err != nil {
		return nil, 0, err
	}
	streams = map[uint32]bool{}
	for _, f := range r.Findings {
		if f.Code != "KV2020" {
			continue
		}
		omitted += f.Omitted
		for _, o := range f.Occurrences {
			streams[o.Stream] = true
		}
	}
	return streams, omitted, nil
}

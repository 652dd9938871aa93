package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// truth is what is right to say of a capture; the names are those of the checks that read it.
type truth struct {
	Right    string            `json:"right"`
	Keys     string            `json:"keys,omitempty"`
	Exit     *int              `json:"exit,omitempty"`
	Codes    map[string]*int   `json:"codes,omitempty"`
	OneOf    []string          `json:"one_of,omitempty"`
	No       []string          `json:"no,omitempty"`
	First    string            `json:"first,omitempty"`
	Worst    string            `json:"worst,omitempty"`
	Severity map[string]string `json:"severity,omitempty"`
	Say      []string          `json:"say,omitempty"`
	Not      []string          `json:"not,omitempty"`
	// What follows is for readers: who plays, and what the broker's log says it refused.
	Scenario string   `json:"scenario,omitempty"`
	Client   string   `json:"client,omitempty"`
	Broker   string   `json:"broker,omitempty"`
	Refused  []string `json:"refused,omitempty"`
}

// blaming are the codes that say that a version, a client or a setting is at fault.
var blaming = []string{"KV1001", "KV1002", "KV1003", "KV1004", "KV2001", "KV2002", "KV2004", "KV2007", "KV2008", "KV2009", "KV2010", "KV2011", "KV2012",
	"KV2015", "KV2016", "KV2017", "KV2018", "KV2020", "KV3001"}

// keep writes the TLS secrets, the truth and the manifest of a scenario that was played.
func (s *stage) keep(folder string) error {
	refused, err := s.refusals()
	if err != nil {
		return err
	}
	known, err := readTruths(folder)
	if err != nil {
		return err
	}
	var entries []entry
	players := s.players
	if s.together != nil {
		players = append(slices.Clone(players), s.together)
	}
	for _, p := range players {
		name := filepath.Base(p.capture)
		p.Scenario, p.Capture = s.name, name
		if err := trim(p.capture); err != nil {
			return err
		}
		info, err := os.Stat(p.capture)
		if err != nil {
			return err
		}
		p.Bytes = info.Size()
		if err := s.keepSecrets(p); err != nil {
			return err
		}
		if p.room != nil {
			p.BrokerLog = refused[p.room.address()]
		}
		for name, t := range s.truths(p) {
			known[name] = t
		}
		fmt.Fprintln(s.stdout, p.summary(s.name), strings.Join(p.BrokerLog, ", "))
		entries = append(entries, p.entry)
	}
	for _, name := range []string{"expect.json", "truth.json"} {
		if err := writeJSON(filepath.Join(folder, name), known); err != nil {
			return err
		}
	}
	return s.writeManifest(folder, entries)
}

// maxCapture is where a capture is cut: some clients try again thousands of times a second.
const maxCapture = 2 << 20

// trim cuts a capture behind the last packet that is whole below maxCapture.
func trim(file string) error {
	data, err := os.ReadFile(file)
	if err != nil || len(data) <= maxCapture {
		return err
	}
	const fileHeader, recordHeader, length = 24, 16, 8 // pcap; this machine's byte order
	at := fileHeader
	for at+recordHeader <= maxCapture {
		next := at + recordHeader + int(binary.NativeEndian.Uint32(data[at+length:]))
		if next > maxCapture {
			break
		}
		at = next
	}
	return os.Truncate(file, int64(at))
}

// truths are what is right to say of a client's capture: with its TLS secrets and,
// by another name of the same file, without.
func (s *stage) truths(p *player) map[string]truth {
	t := s.truthOf(p)
	t.Scenario, t.Client, t.Broker, t.Refused, t.Keys = s.name, p.Client, p.Broker, p.BrokerLog, p.Keys
	name := filepath.Base(p.capture)
	all := map[string]truth{name: t}
	if !s.listener.encrypted() {
		return all
	}
	bare := truth{Right: t.Right, No: []string{"KV2020"}, Worst: t.Worst, Scenario: t.Scenario, Client: t.Client, Broker: t.Broker, Refused: t.Refused}
	if (s.class == pairs || s.class == plain) && len(p.BrokerLog) > 0 {
		bare.No, bare.Codes = nil, map[string]*int{"KV2020": nil}
	}
	link := strings.TrimSuffix(name, ".pcap") + ".nokey.pcap"
	_ = os.Remove(filepath.Join(filepath.Dir(p.capture), link))
	if os.Symlink(name, filepath.Join(filepath.Dir(p.capture), link)) == nil {
		all[link] = bare
	}
	return all
}

// truthOf is the scenario's truth, as far as the client is concerned.
func (s *stage) truthOf(p *player) truth {
	t := s.truth
	switch {
	case s.class == health:
		t.No, t.Worst, t.Exit = blaming, cmp.Or(t.Worst, "info"), new(int)
	case s.class == pairs || s.byLog:
		return s.truthByLog(p)
	case s.length == 0 && p.Outcome == allWell && !s.evident:
		return truth{Right: "not affected: " + t.Right, No: blaming}
	}
	return t
}

// truthByLog is that of a client of which nothing is known but what the broker refused.
func (s *stage) truthByLog(p *player) truth {
	switch {
	case len(p.BrokerLog) > 0:
		t := s.truth
		t.Right = "the broker refuses " + strings.Join(p.BrokerLog, ", ")
		return t
	case p.Client == "platformatic-1.35.0" && !s.clusters[0].atLeast(2, 4):
		return truth{Right: "ApiVersions v3 is answered with error 35, and the client does not ask in a lower version", Codes: map[string]*int{"KV2002": nil}}
	case s.listener.encrypted() && p.Keys == "" && p.Outcome != allWell && strings.HasPrefix(p.Client, "java-"):
		return truth{Right: "the TLS handshake fails", Codes: map[string]*int{"KV9004": nil}, No: blaming}
	}
	return truth{Right: "no request is refused for its version", No: versions}
}

// refusal is how brokers' logs name a request that they refuse for its version: those of
// Kafka before 4.0, and later ones.
var refusal = regexp.MustCompile(`apiKey: (\w+), apiVersion: (\d+)|api key (\w+) with version (\d+)|with key \d+ \((\w+)\) and unsupported version (\d+)`)

// connection is the client's address in the log's name of a connection. Since 4.0 it is in
// the line before the refusal.
var connection = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+:\d+-(\d+\.\d+\.\d+\.\d+):\d+`)

// refusals are the requests that the brokers' logs say were refused for their version, by client.
func (s *stage) refusals() (map[string][]string, error) {
	counts := map[string]map[string]int{}
	for _, from := range s.logs {
		text, err := from.c.since(brokerLog, from.log)
		if err != nil {
			return nil, err
		}
		who := ""
		for line := range strings.Lines(text) {
			if m := connection.FindStringSubmatch(line); m != nil {
				who = m[1]
			}
			m := refusal.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			if counts[who] == nil {
				counts[who] = map[string]int{}
			}
			counts[who][m[1]+m[3]+m[5]+" v"+m[2]+m[4]+m[6]]++
		}
	}
	said := map[string][]string{}
	for who, of := range counts {
		for what, n := range of {
			said[who] = append(said[who], fmt.Sprintf("%s x%d", what, n))
		}
		slices.Sort(said[who])
	}
	return said, nil
}

// keepSecrets keeps the TLS secrets of a client's connections, its own or the brokers'.
func (s *stage) keepSecrets(p *player) error {
	if !s.listener.encrypted() {
		return nil
	}
	keys := keysOf(p.capture)
	data, err := os.ReadFile(keys)
	secrets := string(data)
	if p == s.together {
		for _, other := range s.players {
			data, _ := os.ReadFile(keysOf(other.capture)) // one without has none
			secrets += string(data)
		}
	} else if err != nil || secrets == "" {
		for _, from := range s.logs {
			text, err := from.c.since(brokerKeys, from.keyed)
			if err != nil {
				return err
			}
			secrets += text
		}
	}
	capture, err := os.ReadFile(p.capture)
	if err != nil {
		return err
	}
	var kept strings.Builder
	for line := range strings.Lines(secrets) {
		if f := strings.Fields(line); len(f) == 3 {
			id, err := hex.DecodeString(strings.TrimPrefix(f[1], "Session-ID:")) // or the client's random
			if err == nil && len(id) > 0 && bytes.Contains(capture, id) && !strings.Contains(kept.String(), line) {
				kept.WriteString(line)
			}
		}
	}
	if kept.Len() == 0 {
		return nil
	}
	p.Keys = filepath.Base(keys)
	return os.WriteFile(keys, []byte(kept.String()), 0o644)
}

// readTruths reads what former runs said, nothing when there is nothing.
func readTruths(folder string) (map[string]truth, error) {
	known := map[string]truth{}
	data, err := os.ReadFile(filepath.Join(folder, "expect.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &known)
	}
	return known, err
}

// writeJSON replaces a file.
func writeJSON(file string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// writeManifest replaces the entries of captures that were made again and keeps the others.
func (s *stage) writeManifest(folder string, now []entry) error {
	file := filepath.Join(folder, manifestFile)
	all, err := readManifest(file)
	if err != nil {
		return err
	}
	made := map[string]bool{}
	for _, e := range now {
		made[e.Capture] = true
	}
	all = slices.DeleteFunc(all, func(e entry) bool { return made[e.Capture] })
	return writeJSON(file, append(all, now...))
}

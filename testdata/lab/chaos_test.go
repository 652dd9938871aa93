package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A name in the tables that fits nothing would leave its part out silently.
func TestScenariosNameWhatThereIs(t *testing.T) {
	names, files := map[string]bool{}, map[string]string{}
	for _, s := range append(scenarios(), combinations("*")...) {
		if names[s.name] || strings.Trim(s.name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
			t.Errorf("%q is taken, or fits neither a file nor a topic", s.name)
		}
		names[s.name] = true
		for _, name := range append(slices.Clone(s.nodes), chaosLater[s.name]...) {
			if len(nodes(name)) != 1 {
				t.Errorf("%s: there is no node %q", s.name, name)
			}
		}
		for _, pattern := range s.clients {
			if !slices.ContainsFunc(clients(), func(c Client) bool { ok, _ := path.Match(pattern, c.Name); return ok }) {
				t.Errorf("%s: no client fits %q", s.name, pattern)
			}
		}
		if s.to > 0 && s.to <= s.from {
			t.Errorf("%s: recorded from %v to %v", s.name, s.from, s.to)
		}
		last := time.Duration(0)
		for _, a := range s.acts {
			if a.at < last || a.at >= s.length {
				t.Errorf("%s: an act at %v", s.name, a.at)
			}
			last = a.at
		}
		for _, c := range s.fitting("*") {
			file := string(s.class) + "/" + s.captureName(c, nodes(s.nodes[0])[0])
			if files[file] != "" {
				t.Errorf("%s is written by %s and %s", file, files[file], s.name)
			}
			files[file] = s.name
		}
	}
	for name := range chaosLater {
		if !names[name] {
			t.Errorf("there is no scenario %q", name)
		}
	}
	if len(files) < 500 {
		t.Errorf("%d captures", len(files))
	}
}

func TestRefusalsAreThoseOfTheClient(t *testing.T) {
	const log = `[2026-01-01 00:00:00,001] ERROR Exception while processing request from 10.77.0.1:9092-10.78.3.2:45678-3 (kafka.network.Processor)
org.apache.kafka.common.errors.InvalidRequestException: Error getting request for apiKey: FETCH, apiVersion: 12, connectionId: 10.77.0.1:9092-10.78.3.2:45678-3, listenerName: ListenerName(PLAINTEXT), principal: User:ANONYMOUS
org.apache.kafka.common.errors.InvalidRequestException: Error getting request for apiKey: FETCH, apiVersion: 12, connectionId: 10.77.0.1:9092-10.78.3.2:45680-3, listenerName: ListenerName(PLAINTEXT), principal: User:ANONYMOUS
[2026-01-01 00:00:00,001] ERROR Exception while processing request from 10.77.0.1:9092-10.78.13.2:45680-3 (kafka.network.Processor)
org.apache.kafka.common.errors.UnsupportedVersionException: Received request for api with key 11 (JoinGroup) and unsupported version 1
org.apache.kafka.common.errors.InvalidRequestException: Error getting request for apiKey: FETCH, apiVersion: 12, connectionId: 10.77.0.1:9090-127.0.0.1:45680-3, listenerName: ListenerName(INTERNAL)
`
	c := &cluster{dir: t.TempDir()}
	if err := os.WriteFile(c.file(brokerLog), []byte("apiKey: PRODUCE, apiVersion: 1, 10.77.0.1:9092-10.78.3.2:4-3\n"+log), 0o600); err != nil {
		t.Fatal(err)
	}
	s := stage{logs: []logFrom{{c: c, log: c.size(brokerLog) - int64(len(log))}}}
	got, err := s.refusals()
	if err != nil || len(got) != 3 || !slices.Equal(got["10.78.3.2"], []string{"FETCH v12 x2"}) || !slices.Equal(got["10.78.13.2"], []string{"JoinGroup v1 x1"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTrimCutsBehindAPacket(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.pcap")
	packet := make([]byte, 16+1<<20)
	binary.NativeEndian.PutUint32(packet[8:], 1<<20)
	data := append(make([]byte, 24), bytes.Repeat(packet, 3)...)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := trim(file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() != 24+int64(len(packet)) {
		t.Errorf("%d bytes, want one packet: %d", info.Size(), 24+len(packet))
	}
}

func TestTamperingChangesWhatIsAdvertised(t *testing.T) {
	const version = 3
	response := kmsg.NewPtrApiVersionsResponse()
	response.Version = version
	for _, key := range []int16{3, 22} {
		response.ApiKeys = append(response.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: 5})
	}
	frame := response.AppendTo([]byte{0, 0, 0, 7})
	read := func(frame []byte) map[int16]int16 {
		got := kmsg.NewPtrApiVersionsResponse()
		got.Version = version
		if err := got.ReadFrom(frame[4:]); err != nil || frame[3] != 7 {
			t.Fatalf("%x: %v", frame, err)
		}
		max := map[int16]int16{}
		for _, k := range got.ApiKeys {
			max[k.ApiKey] = k.MaxVersion
		}
		return max
	}
	if got := read(advertise(map[int16]int16{3: 2})(version, frame)); got[3] != 7 || got[22] != 5 {
		t.Errorf("advertised %v", got)
	}
	if got := read(withhold(22)(version, frame)); len(got) != 1 || got[3] != 5 {
		t.Errorf("advertised %v", got)
	}
	request := []byte{0, 18, 0, 3, 0, 0, 0, 7}
	pass, answer, err := wrongRefusal(request)
	if pass || err != nil || !bytes.Equal(answer, []byte{0, 0, 0, 7, 0, 35, 1, 0, 0, 0, 0, 0}) {
		t.Errorf("%t %x %v", pass, answer, err)
	}
	if pass, _, err := refuse(18, 4, false)(request); !pass || err != nil {
		t.Errorf("version 3 does not pass")
	}
	if _, _, err := refuse(18, 3, false)(request); err != errClose {
		t.Errorf("version 3 passes")
	}
}

// What is wrong with a pair is what the broker's log says, and without a key it is inferred.
func TestTruthsOfPairs(t *testing.T) {
	for _, test := range []struct {
		refused []string
		bare    truth
	}{
		{nil, truth{No: []string{"KV2020"}}},
		{[]string{"FETCH v12 x9"}, truth{Codes: some("KV2020")}},
	} {
		dir := t.TempDir()
		s := stage{scenario: scenario{class: pairs, listener: ssl}}
		p := &player{capture: filepath.Join(dir, "x.pcap")}
		p.BrokerLog, p.Keys = test.refused, "x.keys"
		got := s.truths(p)
		bare, keyed := got["x.nokey.pcap"], got["x.pcap"]
		if !slices.Equal(bare.No, test.bare.No) || len(bare.Codes) != len(test.bare.Codes) || bare.Keys != "" || keyed.Keys != "x.keys" || keyed.Right == "" {
			t.Errorf("%q: %+v", test.refused, got)
		}
	}
}

// The two sides of each conversation come to their ends.
func TestForeignConversations(t *testing.T) {
	for name := range foreign {
		client, server := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- converseAsServer(server, name)
			server.Close()
		}()
		if err := errors.Join(converse(client, name), <-done); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A client that does all its steps has no trouble, whatever the others have.
func TestTruthOfAClientThatIsNotAffected(t *testing.T) {
	for outcome, want := range map[string]string{failed: "KV2009", allWell: ""} {
		s := stage{scenario: scenario{class: trouble, listener: plaintext, truth: truth{Codes: some("KV2009"), First: "KV2009"}}}
		p := &player{capture: "x.pcap"}
		p.Outcome = outcome
		got := s.truths(p)["x.pcap"]
		if got.First != want || slices.Contains(got.No, "KV2009") != (want == "") {
			t.Errorf("%s: %+v", outcome, got)
		}
	}
}

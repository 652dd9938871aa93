package sealed

import (
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// TestLibraryOf: one trait of rustls is not enough, as others share it.
func TestLibraryOf(t *testing.T) {
	for _, c := range []struct {
		name       string
		extensions []uint16
		suites     []uint16
		want       Library
	}{
		{"Java", []uint16{extStatusRequestV2, extEncryptThenMAC}, nil, Java},
		{"OpenSSL", []uint16{extEncryptThenMAC, extSignedTimestamp}, nil, OpenSSL},
		{"Go", []uint16{extSignedTimestamp, extStatusRequest}, nil, Go},
		{"rustls", []uint16{extStatusRequest, extExtendedMaster}, []uint16{suiteRenegotiation}, Rustls},
		{"without status_request", []uint16{extExtendedMaster}, []uint16{suiteRenegotiation}, UnknownLibrary},
		{"without extended_master_secret", []uint16{extStatusRequest}, []uint16{suiteRenegotiation}, UnknownLibrary},
		{"without the suite", []uint16{extStatusRequest, extExtendedMaster}, nil, UnknownLibrary},
	} {
		if got := LibraryOf(&tlsrecord.Hello{Extensions: c.extensions, Suites: c.suites}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := LibraryOf(nil); got != UnknownLibrary {
		t.Errorf("no ClientHello: %v", got)
	}
}

// TestTicketsNeedTheirExtension: a server sends session tickets only to clients with psk_key_exchange_modes.
func TestTicketsNeedTheirExtension(t *testing.T) {
	for _, c := range []struct {
		extensions []uint16
		want       int // answers that are left
	}{{[]uint16{extPSKModes}, 0}, {nil, 1}} {
		all := []turn{{requests: []message{{size: 92}}, answers: []message{{size: 181}}}}
		if got := trimTickets(all, true, &tlsrecord.Hello{Extensions: c.extensions}); len(got[0].answers) != c.want {
			t.Errorf("extensions %v: %d answers, want %d", c.extensions, len(got[0].answers), c.want)
		}
	}
}

// TestMissingIsNoAlert: bytes that the capture lacks can have the size of an alert.
func TestMissingIsNoAlert(t *testing.T) {
	for kind, want := range map[tlsrecord.RecordKind]bool{tlsrecord.DataRecord: true, tlsrecord.MissingRecord: false} {
		if _, ok := readMidstream([]tlsrecord.Record{{Kind: kind, Size: alertSize + overhead13}}); ok != want {
			t.Errorf("record kind %d: %v, want %v", kind, ok, want)
		}
	}
}

// TestSince22: Kafka 2.2 is the first release with its number of APIs.
func TestSince22(t *testing.T) {
	for _, c := range []struct {
		answer *Answer
		want   bool
	}{
		{&Answer{APIs: apisOf22, Releases: []string{"2.2"}}, true}, {&Answer{APIs: apisOf22 - 1, Releases: []string{"2.1"}}, false},
		{&Answer{APIs: apisOf22}, false}, {nil, false},
	} {
		if got := c.answer.since22(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.answer, got, c.want)
		}
	}
}

// TestRetryIsNoLonger: an ApiVersions request in a lower version is not longer than the first one.
func TestRetryIsNoLonger(t *testing.T) {
	for size, want := range map[int]Likeness{versions0: ByRetry, versions3: ByRetry, versions3 + 1: NotKafka, minRequest - 1: NotKafka} {
		r := Reading{}
		r.readApiVersions([]turn{
			{requests: []message{{size: versions3}}, answers: []message{{size: -refusal}}},
			{requests: []message{{size: size}}, answers: []message{{size: -table21}}},
		})
		if r.Likeness != want {
			t.Errorf("a second request of %d bytes: %d, want %d", size, r.Likeness, want)
		}
	}
}

// TestLossHidesNegotiation: if packets are lost, the few answers before a refusal can be those to
// ApiVersions and SASL.
func TestLossHidesNegotiation(t *testing.T) {
	for _, c := range []struct {
		one  Case
		open bool
		want bool
	}{
		{Case{Served: beforeRefusal, displaced: true}, false, false}, {Case{Served: beforeRefusal, displaced: true}, true, true},
		{Case{Served: beforeRefusal}, false, true}, {Case{Served: beforeRefusal + 1, displaced: true}, false, true},
		{Case{Served: beforeRefusal, displaced: true, hasAnswer: true}, false, true},
	} {
		if got := NewBook(neverDown).counts(&address{open: c.open}, &c.one, false, false); got != c.want {
			t.Errorf("%+v, open %v: %v, want %v", c.one, c.open, got, c.want)
		}
	}
}

// TestRefusedCertificate: in TLS 1.3, the sizes of records show whose certificate the other side did not accept.
func TestRefusedCertificate(t *testing.T) {
	const (
		certificate, none    = 781, emptyCertificate + overhead13
		finished             = 4 + 32 + overhead13
		alert13, alertOfJava = alertSize + overhead13, alertSize + overhead13 + padding13
		ticket, request      = 217, 65
	)
	psk := &tlsrecord.Hello{Extensions: []uint16{extPSKModes}}
	for _, c := range []struct {
		name    string
		hello   *tlsrecord.Hello
		version string
		records []int // negative from the broker
		want    Certificate
	}{
		{"the client sends an alert instead of Finished", psk, "", []int{alert13}, OfBroker},
		{"Java does", psk, "", []int{alertOfJava}, OfBroker},
		{"the client closes after Finished", psk, "", []int{finished, alert13}, NotRefused},
		{"the broker sends an alert before the request", nil, "", []int{certificate, 281, finished, -alert13, request}, OfClient},
		{"behind the request", psk, "", []int{certificate, 281, finished, request, -alert13}, NotRefused},
		{"behind the request, and Java would have sent a ticket", psk, "", []int{certificate, 281, finished, request, -alertOfJava}, OfClient},
		{"not to this client", nil, "", []int{certificate, 281, finished, request, -alertOfJava}, NotRefused},
		{"it did", psk, "", []int{certificate, 281, finished, -ticket, request, -alertOfJava}, NotRefused},
		{"no certificate was requested", psk, "", []int{finished, request, -alertOfJava}, NotRefused},
		{"the client has none", nil, "", []int{none, finished, request, -alert13}, NoCertificate},
		{"a Java client has one", &tlsrecord.Hello{Extensions: []uint16{extStatusRequestV2, extPSKModes}}, "", []int{1097, request, -alertOfJava}, OfClient},
		{"a Java client has none", &tlsrecord.Hello{Extensions: []uint16{extStatusRequestV2}}, "", []int{none + 36 + padding13, request, -alertOfJava}, NoCertificate},
		{"the same with SHA-384", &tlsrecord.Hello{Extensions: []uint16{extStatusRequestV2}}, "", []int{none + 52 + padding13, request, -alertOfJava}, NoCertificate},
		{"TLS 1.2", psk, "TLS 1.2", []int{alert13}, NotRefused},
	} {
		o := tlsrecord.NewOutline(false)
		w := writer{wrapping{}, o}
		for i, n := range append([]int{-27, -82, -certificate, -281, -finished}, c.records...) {
			w.record(23, n > 0, max(n, -n), capture.Position{Frame: uint64(i), Time: int64(i)})
		}
		x := &decode.Connection{Connection: &reassembly.Connection{Outline: o, TLS: &tlsrecord.Info{Version: "TLS 1.3", Hello: c.hello}}}
		if c.version != "" {
			x.TLS.Version = c.version
		}
		if got := RefusedCertificate(x); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		if x.Midstream = true; RefusedCertificate(x) != NotRefused {
			t.Errorf("%s, midstream", c.name)
		}
	}
	if RefusedCertificate(&decode.Connection{Connection: &reassembly.Connection{}}) != NotRefused {
		t.Error("without TLS")
	}
}

// TestSuppliedRelease: a broker without an ApiVersions response is of the release that the user names.
func TestSuppliedRelease(t *testing.T) {
	for name, want := range map[string]int{"2.0.1": 0, "2.1.1": 1, "4.0.0-kraft": 1} {
		b := NewBook(neverDown)
		table, err := decode.FindTable("kafka-" + name)
		if err != nil {
			t.Fatal(err)
		}
		b.Supply(table.Ranges)
		for i, p := range times(3, closed(0, handshakePlain, -21, tokens)) {
			b.Connection(p.connection(uint32(i)))
		}
		if got := len(b.Refusals()); got != want {
			t.Errorf("%s: %d refusals, want %d", name, got, want)
		}
	}
}

// TestMissingRequestsHaveNoNumber: if bytes in front of the last requests are missing, the responses
// can be those of any of them.
func TestMissingRequestsHaveNoNumber(t *testing.T) {
	for _, gap := range []int64{0, 79} {
		o := tlsrecord.NewOutline(false)
		w, frame := writer{wrappings[0], o}, uint64(0)
		at := func() capture.Position {
			frame++
			return capture.Position{Frame: frame, Time: int64(frame) * int64(time.Millisecond)}
		}
		w.handshake(at())
		for _, n := range []int{versions0, table21, metadata, metadataSays} {
			w.record(23, n > 0, w.w.content(n > 0, max(n, -n)), at())
		}
		if gap > 0 {
			o.Gap(true, gap, at())
		} else {
			w.record(23, true, w.w.content(true, join), at())
		}
		w.record(23, true, w.w.content(true, fetch), at())
		w.record(23, false, w.w.content(false, 60), at())
		c := &reassembly.Connection{Seen: [2]bool{true, true}, Outline: o, TLS: &tlsrecord.Info{}, End: reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient, At: at()}}
		if got := Read(&decode.Connection{Connection: c}).Refused; (got != nil) != (gap == 0) {
			t.Errorf("%d bytes missing: %+v", gap, got)
		}
	}
}

// TestOverrunIsOfTheBroker: a client that closes may reset what it does not read. Nothing is missing.
func TestOverrunIsOfTheBroker(t *testing.T) {
	for by, want := range map[reassembly.Direction]bool{reassembly.ToClient: true, reassembly.ToBroker: false} {
		p := play{say: negotiated(metadata, metadataSays, fetch), end: reassembly.Closed, by: by, overrun: true}
		if got := Read(p.connection(0)); got.missing != want {
			t.Errorf("closed towards %v: missing %v", by, got.missing)
		}
	}
}

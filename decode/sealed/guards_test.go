package sealed

import (
	"testing"

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
		if got := (&address{open: c.open}).counts(&c.one, false); got != c.want {
			t.Errorf("%+v, open %v: %v, want %v", c.one, c.open, got, c.want)
		}
	}
}

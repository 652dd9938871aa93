package tlsrecord

import (
	"bytes"
	"testing"
)

// TestReportedGaps: what is missing is exact if all records that were lost held application data.
func TestReportedGaps(t *testing.T) {
	tls13, _ := newRecordCipher(&keys{suite: suiteByID(0x1301), version: versionTLS13})    // 22 bytes more than the content
	tls12cbc, _ := newRecordCipher(&keys{suite: suiteByID(0xc013), version: versionTLS12}) // about 49
	none := gapEvent{n: -1}
	gap := func(n int64, exact bool) gapEvent { return gapEvent{true, 0, n, exact} }
	for _, tc := range []struct {
		name string
		d    side
		p    keyMatch
		lost uint64
		want gapEvent
	}{
		{"two records", side{phase: phaseTraffic, opened: 9, delivered: 9, missing: 1000}, keyMatch{cipher: tls13, phase: phaseTraffic, current: true}, 2, gap(956, true)},
		{"none", side{phase: phaseTraffic, opened: 9, delivered: 9, missing: 1000}, keyMatch{cipher: tls13, phase: phaseTraffic, current: true}, 0, none},
		{"empty ones", side{phase: phaseTraffic, opened: 9, delivered: 9, missing: 44}, keyMatch{cipher: tls13, phase: phaseTraffic, current: true}, 2, none},
		{"less than records have", side{phase: phaseTraffic, opened: 9, delivered: 9, missing: 40}, keyMatch{cipher: tls13, phase: phaseTraffic, current: true}, 2, gap(0, false)},
		{"before the first data", side{phase: phaseTraffic, opened: 9, missing: 1000}, keyMatch{cipher: tls13, phase: phaseTraffic, current: true}, 2, gap(956, false)},
		{"padded records", side{phase: phaseTraffic, opened: 9, delivered: 9, padded: true, missing: 1000}, keyMatch{cipher: tls13, phase: phaseTraffic, current: true}, 2, gap(956, false)},
		{"with other keys", side{phase: phaseTraffic, opened: 9, delivered: 9, missing: 1000}, keyMatch{cipher: tls13, phase: phaseTraffic}, 2, gap(956, false)},
		{"in the handshake", side{phase: phaseHandshake, opened: 9, missing: 1000}, keyMatch{cipher: tls13, phase: phaseHandshake, current: true}, 2, none},
		{"of TLS 1.2", side{phase: phaseSealed, opened: 9, missing: 1000}, keyMatch{cipher: tls13, phase: phaseSealed, current: true}, 2, gap(956, true)},
		{"of a block cipher", side{phase: phaseSealed, opened: 9, delivered: 9, missing: 1000}, keyMatch{cipher: tls12cbc, phase: phaseSealed, current: true}, 2, gap(902, false)},
		{"the Finished of TLS 1.2", side{phase: phaseSealed, missing: 1000}, keyMatch{cipher: tls13, phase: phaseSealed, current: true}, 1, none},
		{"the Finished of TLS 1.2, and a record", side{phase: phaseSealed, missing: 1000}, keyMatch{cipher: tls13, phase: phaseSealed, current: true}, 2, gap(956, false)},
	} {
		var got collector
		NewSession(nil, &got, nil).reportGap(&tc.d, &tc.p, tc.lost, frame(1))
		if len(got.gaps) == 0 != (tc.want == none) || len(got.gaps) > 0 && got.gaps[0] != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got.gaps, tc.want)
		}
	}
}

// TestHolesOfARecord: the bytes around them are passed on, and the holes are gaps.
func TestHolesOfARecord(t *testing.T) {
	content := []byte("0123456789")
	for _, tc := range []struct {
		name  string
		holes []hole
		want  string
		gaps  []gapEvent
	}{
		{"none", nil, "0123456789", nil},
		{"in the middle", []hole{{8, 2}}, "01256789", []gapEvent{{true, 3, 2, true}}},
		{"at the beginning", []hole{{5, 2}}, "23456789", []gapEvent{{true, 0, 2, true}}},
		{"at the end", []hole{{13, 2}}, "01234567", []gapEvent{{true, 8, 2, true}}},
		{"behind the end", []hole{{15, 4}}, "0123456789", nil},
		{"across the end", []hole{{14, 4}}, "012345678", []gapEvent{{true, 9, 1, true}}},
		{"two", []hole{{6, 1}, {8, 1}}, "02456789", []gapEvent{{true, 1, 1, true}, {true, 2, 1, true}}},
		{"all", []hole{{5, 10}}, "", []gapEvent{{true, 0, 10, true}}},
	} {
		var got collector
		s := NewSession(nil, &got, nil)
		d := s.client()
		s.deliverPatched(d, &patchedRecord{rec: append(make([]byte, headerSize), append(bytes.Clone(content), make([]byte, 16)...)...), holes: tc.holes}, headerSize, headerSize+len(content))
		if string(got.data[0]) != tc.want || len(got.gaps) != len(tc.gaps) || s.info.Decrypted != uint64(len(tc.want)) || d.delivered != 1 {
			t.Errorf("%s: %q, %+v", tc.name, got.data[0], got.gaps)
			continue
		}
		for i, g := range tc.gaps {
			if got.gaps[i] != g {
				t.Errorf("%s: gap %+v, want %+v", tc.name, got.gaps[i], g)
			}
		}
	}
	for _, tc := range []struct {
		from, to int
		want     bool
	}{{0, 10, true}, {0, 11, false}, {13, 20, true}, {12, 20, false}, {11, 12, false}, {0, 20, false}} {
		if got := (&patchedRecord{holes: []hole{{10, 3}}}).whole(tc.from, tc.to); got != tc.want {
			t.Errorf("bytes %d to %d of a record without bytes 10 to 12: whole %v, want %v", tc.from, tc.to, got, tc.want)
		}
	}
}

// TestRecordsThatArePatched: only a record of application data whose number is certain, and a few of
// them.
func TestRecordsThatArePatched(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(d *side)
		want   bool
	}{
		{"application data", func(*side) {}, true},
		{"of TLS 1.2", func(d *side) { d.phase = phaseSealed }, true},
		{"in the handshake", func(d *side) { d.phase = phaseHandshake }, false},
		{"an unknown number of records is lost", func(d *side) { d.gapped = true }, false},
		{"none was decrypted before", func(d *side) { d.opened = 0 }, false},
		{"another record", func(d *side) { d.buf[0] = typeHandshake }, false},
		{"a block cipher", func(d *side) { d.keys.suite = suiteByID(0xc013) }, false},
		{"the last that is held", func(d *side) { d.patched = &patchedRecords{records: make([]patchedRecord, maxPatched-1)} }, true},
		{"one more", func(d *side) { d.patched = &patchedRecords{records: make([]patchedRecord, maxPatched)} }, false},
	} {
		s := NewSession(nil, &collector{}, nil)
		d := s.client()
		d.phase, d.opened, d.seq, d.known = phaseTraffic, 3, 3, 2
		d.keys.suite, d.buf = suiteByID(0x1301), s.scratch.grow(nil, rec(typeData, 1000)[:300])
		tc.change(d)
		left, ok := s.patch(d, 1000)
		if ok != tc.want || ok && left != 1000-705 || !ok && left != 1000 {
			t.Errorf("%s: patched %v, %d bytes are left", tc.name, ok, left)
		}
		if !ok {
			continue
		}
		last := d.patched.records[len(d.patched.records)-1]
		if last.seq != 5 || last.holes[0] != (hole{300, 705}) || len(last.rec) != 1005 || d.known != 3 || d.missing != 1005 {
			t.Errorf("%s: record %d with holes %v, %d bytes are missing", tc.name, last.seq, last.holes, d.missing)
		}
		s.dropPatched(d)
		if tc.name == "application data" && s.info.Undecrypted != 295 {
			t.Errorf("%d bytes are not decrypted, want 295", s.info.Undecrypted)
		}
	}
}

// TestIncompleteRecords: what is known of a record that is given up.
func TestIncompleteRecords(t *testing.T) {
	for _, tc := range []struct {
		name    string
		kind    byte
		phase   phase
		version uint16
		n       int64 // missing bytes
		left    int64 // missing bytes behind the record
		skip    int
		missing int64
		known   uint64
		gapped  bool
	}{
		{"a part of it is missing", typeData, phaseTraffic, versionTLS13, 10, 0, 60, 105, 1, false},
		{"its end is missing", typeData, phaseTraffic, versionTLS13, 70, 0, 0, 105, 1, false},
		{"more is missing", typeData, phaseTraffic, versionTLS13, 75, 5, 0, 105, 1, false},
		{"a ChangeCipherSpec of TLS 1.3", typeChangeCipher, phaseTraffic, versionTLS13, 10, 0, 60, 0, 0, false},
		{"a handshake message of TLS 1.2", typeHandshake, phaseSealed, versionTLS12, 10, 0, 60, 105, 1, false},
		{"data without a ChangeCipherSpec", typeData, phasePlain, versionTLS12, 10, 0, 60, 105, 1, false},
		{"a message in plaintext", typeHandshake, phasePlain, versionTLS12, 10, 0, 60, 0, 0, false},
		{"a ChangeCipherSpec", typeChangeCipher, phasePlain, versionTLS12, 10, 0, 60, 0, 0, true},
	} {
		s := NewSession(nil, &collector{}, nil)
		s.hasClient, s.hasServer, s.version = true, true, tc.version
		d := s.client()
		d.phase, d.buf = tc.phase, s.scratch.grow(nil, rec(tc.kind, 100)[:35])
		left := s.giveUpRecord(d, tc.n)
		undecrypted := uint64(0)
		if tc.known > 0 {
			undecrypted = 30
		}
		if left != tc.left || d.skip != tc.skip || d.missing != tc.missing || d.known != tc.known || d.gapped != tc.gapped || d.records != 1 || d.buf != nil || s.info.Undecrypted != undecrypted {
			t.Errorf("%s: %d bytes left, %d to skip, %d missing, %d records, %d undecrypted, gapped %v", tc.name, left, d.skip, d.missing, d.known, s.info.Undecrypted, d.gapped)
		}
	}
}

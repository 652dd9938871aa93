package reassembly

import (
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// TestProofOfChecksums: what a sender's checksums so far prove, and how much each of them counts.
func TestProofOfChecksums(t *testing.T) {
	const right, wrong, zero, left, unknown = capture.ChecksumRight, capture.ChecksumWrong, capture.ChecksumZero, capture.ChecksumLeft, capture.ChecksumUnknown
	for _, tc := range []struct {
		name        string
		before      int8
		sum         capture.Checksum
		isDiscarded bool
		after       int8
	}{
		{"the first right one", 0, right, false, proofStep}, {"another right one", 4, right, false, 4 + proofStep}, {"a right one of a sender with wrong ones", -4, right, false, -3}, {"enough right ones", maxProof, right, false, maxProof},
		{"the first wrong one", 0, wrong, false, -proofStep}, {"a wrong one among right ones", 1, wrong, true, 0}, {"a wrong one of a sender with wrong ones", -4, wrong, false, -4 - proofStep}, {"enough wrong ones", -maxProof, wrong, false, -maxProof},
		{"0 among right ones", 8, zero, true, 7}, {"the first 0", 0, zero, false, -proofStep},
		{"left to the card", 0, left, false, -proofStep}, {"left to the card, among right ones", 8, left, false, 8},
		{"not captured", 8, unknown, false, 8}, {"not captured, first", 0, unknown, false, 0},
	} {
		f := &flow{proof: [2]int8{tc.before, 50}}
		if got := f.prove(tc.sum, ToBroker); got != tc.isDiscarded || f.proof != [2]int8{tc.after, 50} {
			t.Errorf("%s: discarded %v, want %v; %d, want %d", tc.name, got, tc.isDiscarded, f.proof[0], tc.after)
		}
	}
}

// TestTwins: two connections are one if a segment of both has the same numbers and bytes, at nearly the
// same time.
func TestTwins(t *testing.T) {
	const seq, ack = 5 * minRandom, 7 * minRandom
	one := func(change func(s *capture.Segment)) *capture.Segment {
		s := segmentOf(ToBroker, capture.ACK, seq, ack, 10)
		s.Payload, s.Time = []byte("0123456789"), 100e9
		change(s)
		return s
	}
	for _, tc := range []struct {
		name   string
		first  func(s *capture.Segment)
		second func(s *capture.Segment)
		flow   func(t *flowTable, f *flow)
		want   bool
	}{
		{"the same segment", nil, nil, nil, true},
		{"other bytes", nil, func(s *capture.Segment) { s.Payload = []byte("0123456780") }, nil, false},
		{"another number", nil, func(s *capture.Segment) { s.Seq++ }, nil, false},
		{"another acknowledgement", nil, func(s *capture.Segment) { s.Ack++ }, nil, false},
		{"another length", nil, func(s *capture.Segment) { s.Length++ }, nil, false},
		{"as late as a copy is", nil, func(s *capture.Segment) { s.Time += twinWindow }, nil, true},
		{"later", nil, func(s *capture.Segment) { s.Time += twinWindow + 1 }, nil, false},
		{"as early as a copy is", nil, func(s *capture.Segment) { s.Time -= twinWindow }, nil, true},
		{"earlier", nil, func(s *capture.Segment) { s.Time -= twinWindow + 1 }, nil, false},
		{"the lowest random number", func(s *capture.Segment) { s.Seq = minRandom }, func(s *capture.Segment) { s.Seq = minRandom }, nil, true},
		{"a lower one", func(s *capture.Segment) { s.Seq = minRandom - 1 }, func(s *capture.Segment) { s.Seq = minRandom - 1 }, nil, false},
		{"the lowest random acknowledgement", func(s *capture.Segment) { s.Ack = minRandom }, func(s *capture.Segment) { s.Ack = minRandom }, nil, true},
		{"a lower one of them", func(s *capture.Segment) { s.Ack = minRandom - 1 }, func(s *capture.Segment) { s.Ack = minRandom - 1 }, nil, false},
		{"a SYN", func(s *capture.Segment) { s.Flags, s.Length, s.Payload = capture.SYN, 0, nil }, func(s *capture.Segment) { s.Flags, s.Length, s.Payload = capture.SYN, 0, nil }, nil, true},
		{"a SYN from another port", func(s *capture.Segment) { s.Flags, s.Length, s.Payload = capture.SYN, 0, nil }, func(s *capture.Segment) { s.Flags, s.Length, s.Payload, s.SrcPort = capture.SYN, 0, nil, 7 }, nil, false},
		{"the first one is gone", nil, nil, func(t *flowTable, f *flow) { t.drop(f, Expired) }, false},
		{"its slot was used again", nil, nil, func(_ *flowTable, f *flow) { f.stream = 77 }, false},
		{"it is unwanted", nil, nil, func(_ *flowTable, f *flow) { f.unwanted = true }, false},
	} {
		table, flows, _ := tableOf(2)
		same := func(*capture.Segment) {}
		if tc.first == nil {
			tc.first = same
		}
		if tc.second == nil {
			tc.second = same
		}
		if g, _ := table.twin(flows[0], one(tc.first), ToBroker, 0); g != nil {
			t.Errorf("%s: the first segment has a twin", tc.name)
		}
		if g, _ := table.twin(flows[0], one(tc.first), ToBroker, 0); g != nil {
			t.Errorf("%s: a connection is its own twin", tc.name)
		}
		if tc.flow != nil {
			tc.flow(table, flows[0])
		}
		g, d := table.twin(flows[1], one(tc.second), ToClient, 0)
		if (g == flows[0]) != tc.want || tc.want && d != ToBroker {
			t.Errorf("%s: found %v, want %v", tc.name, g != nil, tc.want)
		}
		if again, _ := table.twin(flows[0], one(tc.second), ToBroker, 0); !tc.want && tc.flow == nil && one(tc.second).Seq >= minRandom && one(tc.second).Ack >= minRandom && again != flows[1] {
			t.Errorf("%s: the second segment is not kept", tc.name)
		}
	}
	table, flows, _ := tableOf(3) // a copy stands for its original
	table.addCopy(flows[1], flows[0], true, capture.Position{})
	flows[1].isTurned = true
	table.twin(flows[1], one(func(*capture.Segment) {}), ToBroker, 0)
	if g, d := table.twin(flows[2], one(func(*capture.Segment) {}), ToBroker, 0); g != flows[0] || d != ToClient {
		t.Errorf("found %v, direction %v, want the original the other way", g, d)
	}
	f := flows[2]
	f.marks = 0
	for range marksPerFlow + 3 {
		table.twin(f, one(func(s *capture.Segment) { s.Seq += 1000 }), ToBroker, 3<<markInterval)
	}
	if f.marks != marksPerFlow || f.marked != 3 {
		t.Errorf("%d segments were compared, the last in interval %d", f.marks, f.marked)
	}
	table.twin(f, one(func(s *capture.Segment) { s.Flags, s.Length, s.Payload = capture.SYN, 0, nil }), ToBroker, 4<<markInterval)
	if f.marked != 3 {
		t.Error("a SYN counts as a segment with payload")
	}
}

// TestStampsOfAConnection: a timestamp and its echo are near the latest ones.
func TestStampsOfAConnection(t *testing.T) {
	const own, other = 1 << 20, 3 << 20
	for _, tc := range []struct {
		value, echo uint32
		stamps      [2]uint32
		want        bool
	}{
		{own, other, [2]uint32{own, other}, true},
		{own + maxStampAhead, other, [2]uint32{own, other}, true}, {own + maxStampAhead + 1, other, [2]uint32{own, other}, false},
		{1<<32 + own - maxStampBack, other, [2]uint32{own, other}, true}, {1<<32 + own - maxStampBack - 1, other, [2]uint32{own, other}, false},
		{own, other + maxStampBack, [2]uint32{own, other}, true}, {own, other + maxStampBack + 1, [2]uint32{own, other}, false},
		{1 << 31, other, [2]uint32{0, other}, true}, {own, 1 << 31, [2]uint32{own, 0}, true}, {1 << 31, other + maxStampBack + 1, [2]uint32{0, other}, false},
	} {
		f := &flow{stamps: tc.stamps}
		if got := f.fitsStamps(tc.value, tc.echo, ToBroker); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}

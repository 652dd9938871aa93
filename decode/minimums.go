package decode

import "slices"

// minimum is what Kafka 4.0 and up do with old versions of an API.
type minimum struct {
	key int16
	// min is the lowest version that is accepted, advertised the lowest that ApiVersions names.
	min, advertised int16
	// only restricts the row to one release, empty for 4.0.0 and up.
	only string
	// source is where the row is from.
	source string
}

// kip896 is the table of KIP-896 for what clients may send; the versions below were removed.
const kip896 = "KIP-896"

// minimums are the APIs of which Kafka 4.0 removed versions, by key. Of APIs
// that are not listed (Metadata, FindCoordinator, SaslHandshake, DeleteGroups and
// the ones that came later) all versions from 0 are left.
var minimums = []minimum{
	{0, 3, 0, "", "KIP-896; advertised from 0 because librdkafka turned compression off otherwise: KAFKA-18659"},
	{1, 4, 4, "", kip896},
	{2, 1, 1, "", kip896},
	{8, 2, 2, "", kip896},
	{9, 1, 1, "", kip896},
	{11, 2, 2, "4.0.0", "KIP-896; taken back in 4.0.1 and 4.1.0: KAFKA-19444"},
	{19, 2, 2, "", kip896},
	{20, 1, 1, "", kip896},
	{23, 2, 2, "", kip896},
	{27, 1, 1, "", kip896},
	{29, 1, 1, "", kip896},
	{30, 1, 1, "", kip896},
	{31, 1, 1, "", kip896},
	{32, 1, 1, "", kip896},
	{34, 1, 1, "", kip896},
	{35, 1, 1, "", kip896},
	{38, 1, 1, "", kip896},
	{39, 1, 1, "", kip896},
	{40, 1, 1, "", kip896},
	{41, 1, 1, "", kip896},
	{56, 2, 2, "", kip896},
}

// phantoms are the rows of minimums whose lowest advertised version is refused.
var phantoms = slices.DeleteFunc(slices.Clone(minimums), func(m minimum) bool { return m.advertised >= m.min })

// minimumEvidence is how many rows of minimums a table of ranges has to agree
// with to be taken for Kafka 4's. A broker has some 13 of them.
const minimumEvidence = 8

// removesOldVersions tells whether the ranges are those of Kafka 4.0 or newer: every API of
// the table begins where the table says, but for those that clients have no use for: servers that
// speak like Kafka 4 do not all follow it there.
func (r *Ranges) removesOldVersions() bool {
	agree := 0
	for _, m := range minimums {
		got, ok := r.Find(m.key)
		switch {
		case !ok || m.only != "" || internalKeys[m.key]:
		case got.Min != m.advertised:
			return false
		case m.advertised > 0:
			agree++
		}
	}
	return agree >= minimumEvidence
}

// PhantomMin returns the lowest version of an API that a broker with these ranges accepts, where
// that is above what they say: 3 for Produce on Kafka 4.0 and up. ok is false
// where the ranges are as good as their word, as far as is known.
func (r *Ranges) PhantomMin(key int16) (lowest int16, ok bool) {
	for _, m := range phantoms {
		if m.key == key {
			return m.min, r.removesOldVersions()
		}
	}
	return 0, false
}

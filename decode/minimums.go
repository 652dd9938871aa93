package decode

import (
	"cmp"
	"slices"
)

// minimum is the lowest version of an API in Kafka 4.0 and later.
type minimum struct {
	key int16
	// min is the lowest accepted version, advertised the lowest version in ApiVersions
	// responses.
	min, advertised int16
	// only limits the row to one release; empty for 4.0.0 and later.
	only string
	// source cites where the row is from.
	source string
}

// kip896 cites the table of KIP-896. Versions below its minimum were removed.
const kip896 = "KIP-896"

// minimums are the APIs of which Kafka 4.0 removed versions, by key. All other APIs (Metadata,
// FindCoordinator, SaslHandshake, DeleteGroups and later ones) still have all versions from 0.
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

// RemovedBy returns the release of Kafka that removed a version of an API, empty for none.
// JoinGroup v0 and v1 were removed in 4.0.0 alone; later releases have them.
func RemovedBy(key, version int16) string {
	i := slices.IndexFunc(minimums, func(m minimum) bool { return m.key == key && 0 <= version && version < m.min })
	if i < 0 {
		return ""
	}
	return cmp.Or(minimums[i].only, "4.0")
}

// phantoms are the rows of minimums whose lowest advertised version the broker refuses.
var phantoms = slices.DeleteFunc(slices.Clone(minimums), func(m minimum) bool { return m.advertised >= m.min })

// minimumEvidence is how many rows of minimums ranges must agree with to count as Kafka 4's. A
// broker has about 13 of them. coreEvidence is the same for the APIs of producers and consumers, up
// to key lastCore, if Produce has the version that came with Kafka 4.0, firstProduce.
const (
	minimumEvidence = 8
	coreEvidence    = 4
	lastCore        = 9
	firstProduce    = 12
)

// removesOldVersions reports whether the ranges are those of Kafka 4.0 or later: every API of
// the table begins at the table's version. Internal APIs do not count, because other servers
// with Kafka 4's ranges differ in them. Services that leave out or change other APIs count by
// those of producers and consumers.
func (r *Ranges) removesOldVersions() bool {
	agree, core, differs := 0, 0, false
	for _, m := range minimums {
		got, ok := r.Find(m.key)
		isCore := m.key <= lastCore
		switch {
		case !ok || m.only != "" || internalKeys[m.key]:
		case got.Min != m.advertised:
			if isCore {
				return false
			}
			differs = true
		case m.advertised > 0:
			agree++
			if isCore {
				core++
			}
		}
	}
	produce, _ := r.Find(keyProduce)
	return agree >= minimumEvidence && !differs || core == coreEvidence && produce.Max >= firstProduce
}

// PhantomMin returns the lowest version of an API that a broker with these ranges accepts, if
// the ranges advertise a lower one: 3 for Produce on Kafka 4.0 and later. ok is false if no such
// difference is known.
func (r *Ranges) PhantomMin(key int16) (lowest int16, ok bool) {
	for _, m := range phantoms {
		if m.key == key {
			return m.min, r.removesOldVersions()
		}
	}
	return 0, false
}

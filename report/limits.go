package report

// The limits of a Builder for any length of the input. A group of equal findings takes about 2
// KiB: ten occurrences of 128 bytes, the texts of its key, histograms of some dozen buckets. The
// 1,000 groups of one code take 2 MiB, and all codes at their limit some 40 MiB. Real inputs stay
// below a hundred groups.
const (
	// maxOccurrences is how many occurrences a finding keeps.
	maxOccurrences = 10
	// maxGroupsPerCode bounds the different findings of one code, so that many findings of one
	// code do not replace the others. At the limit, old and small ones are folded (model.Folded).
	maxGroupsPerCode = 1000
	// maxClients bounds the client programs: 1,024 of about 4 KiB are 4 MiB. At the limit, old and
	// small ones are folded (model.Folded).
	maxClients = 1024
	// maxClientMembers bounds the client ids, addresses and broker addresses of a client, and the
	// addresses of a finding's client. Further ones count as "client_members".
	maxClientMembers = 64
	// maxUsages bounds the pairs of API and version of a client. Kafka has some 90 APIs of a few
	// versions. Further ones count as "client_versions".
	maxUsages = 512
	// maxBrokers bounds the brokers: 4,096 of about 1 KiB are 4 MiB, and few clusters have a
	// thousand. At the limit, old and small ones are folded (model.Folded).
	maxBrokers = 4096
	// maxTables bounds the range tables of one broker address. Further ones count as
	// "broker_tables".
	maxTables = 16
	// maxHours bounds the hours in which a broker is known to be watched: 85 days, in 8 KiB. Earlier
	// ones are dropped and count as "broker_hours".
	maxHours = 2048
	// maxListedAPIs bounds the APIs of all brokers: 262,144 of 32 bytes are 8 MiB, and some 20 MB of
	// JSON. Brokers beyond it are listed without APIs and count as "broker_apis".
	maxListedAPIs = 1 << 18
	// maxNonBrokers bounds the addresses with other protocols that are not known as brokers: 8,192
	// of 88 bytes, with keys of 40, are 1 MiB. Further ones count as "other_addresses".
	maxNonBrokers = 8192
	// maxText bounds, in bytes, a text from the wire. decode shortens client ids and software
	// names to the same length and counts them ("long_texts"). Here it also bounds server names
	// and SASL mechanisms.
	maxText = 256
)

// hits counts how often each limit was exceeded, by its name in the report.
type hits map[string]uint64

// add adds the counts above zero.
func (hit hits) add(counts map[string]uint64) {
	for name, n := range counts {
		if n > 0 {
			hit[name] += n
		}
	}
}

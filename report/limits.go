package report

// What a Builder holds, whatever the length of the input. A group of equal findings takes about 2
// KiB: ten occurrences of 120 bytes, the keys' strings, histograms of some dozen buckets. The
// 1,000 of one code take 2 MiB, and all codes at their limit some 40 MiB; real inputs stay below
// a hundred groups.
const (
	// maxOccurrences is how many occurrences a finding keeps: enough to look
	// at.
	maxOccurrences = 10
	// maxGroupsPerCode bounds the distinct findings of one code, so that a
	// flood of one code leaves room for the others. Old and small ones make room for
	// further ones, and are counted (model.Folded).
	maxGroupsPerCode = 1000
	// maxClients bounds the client programs: 1,024 of about 4 KiB are 4 MiB.
	// Old and small ones make room for further ones, and are counted (model.Folded).
	maxClients = 1024
	// maxClientMembers bounds the client ids, addresses and broker addresses
	// of a client, and the addresses of a finding's client; further ones are
	// counted as "client_members".
	maxClientMembers = 64
	// maxUsages bounds the pairs of API and version of a client: Kafka has
	// some 90 APIs of a few versions; further ones are counted as "client_versions".
	maxUsages = 512
	// maxBrokers bounds the brokers: 4,096 of about 1 KiB are 4 MiB, and few
	// clusters have a thousand. Old and small ones make room for further ones, and are
	// counted (model.Folded).
	maxBrokers = 4096
	// maxTables bounds the sets of ranges kept for one broker address; further
	// ones are counted as "broker_tables".
	maxTables = 16
	// maxStrangers bounds the addresses that spoke something else and are not
	// known as brokers so far: 8,192 of 80 bytes are 640 KiB. Further ones are
	// counted as "other_addresses".
	maxStrangers = 8192
	// maxText bounds, in bytes, what is kept of a text from the wire. decode
	// cuts client ids and software names at the same length and counts it
	// ("long_texts"); here it holds for server names and SASL mechanisms, too.
	maxText = 256
)

// addHits adds the counts above zero.
func addHits(hit, counts map[string]uint64) {
	for name, n := range counts {
		if n > 0 {
			hit[name] += n
		}
	}
}

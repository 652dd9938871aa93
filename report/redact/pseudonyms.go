package redact

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"regexp"
	"strings"
)

const (
	// pseudonymBits is the number of host bits of range4, the range for IPv4 addresses.
	pseudonymBits = 17
	// maxPseudonyms bounds the IPv4 addresses with a pseudonym in that range, half of it: 65,536
	// of some 40 bytes in two maps are 5 MiB. Further addresses are mapped to IPv6.
	maxPseudonyms = 1 << (pseudonymBits - 1)
	// keySize is the length of a random key in bytes.
	keySize = 32
)

// Pseudonyms replaces names and addresses by values that reveal nothing. Equal names get equal
// pseudonyms, different names different ones, and with the same key they are the same in every
// report. It belongs to one goroutine.
type Pseudonyms struct {
	key []byte
	// places maps IPv4 addresses to their pseudonyms. taken are the used pseudonyms.
	places map[[4]byte]uint32
	taken  map[uint32]struct{}
	// keeps: a value in the form of a pseudonym stays unchanged.
	keeps bool
}

// Keep makes values in the form of a pseudonym stay unchanged. It is for captures that contain
// only pseudonyms, so that a new analysis does not change them.
func (p *Pseudonyms) Keep() { p.keeps = true }

// The ranges of pseudonyms are reserved for measurements between networks (RFC 2544, RFC 6890) and
// for documentation (RFC 3849).
var (
	range4 = netip.MustParsePrefix("198.18.0.0/15")
	range6 = netip.MustParsePrefix("2001:db8::/32")
)

// NewPseudonyms returns pseudonyms for a key. An empty key means a random one, stored nowhere.
func NewPseudonyms(key string) *Pseudonyms {
	p := &Pseudonyms{key: []byte(key), places: map[[4]byte]uint32{}, taken: map[uint32]struct{}{}}
	if key == "" {
		p.key = make([]byte, keySize)
		_, _ = rand.Read(p.key) // never fails
	}
	return p
}

func (p *Pseudonyms) sum(kind string, b []byte) [sha256.Size]byte {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(kind))
	h.Write([]byte{0})
	h.Write(b)
	return [sha256.Size]byte(h.Sum(nil))
}

// Addr returns the pseudonym of an IP address, in 198.18.0.0/15 or, for IPv6, 2001:db8::/32.
func (p *Pseudonyms) Addr(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.IsValid() || p.keeps && (range4.Contains(a) || range6.Contains(a)) {
		return a
	}
	if a.Is4() {
		if place, ok := p.place(a.As4()); ok {
			return place
		}
	}
	sum := p.sum("ip", a.AsSlice())
	out := range6.Addr().As16()
	copy(out[4:], sum[:])
	return netip.AddrFrom16(out)
}

// place returns the IPv4 pseudonym of a. It creates it if necessary; false if the range is full.
func (p *Pseudonyms) place(a [4]byte) (netip.Addr, bool) {
	first := range4.Addr().As4()
	network := binary.BigEndian.Uint32(first[:])
	n, ok := p.places[a]
	if !ok {
		if len(p.places) >= maxPseudonyms {
			return netip.Addr{}, false
		}
		sum := p.sum("ip", a[:])
		n = binary.BigEndian.Uint32(sum[:]) % (1 << pseudonymBits)
		for used := true; used; {
			if _, used = p.taken[n]; used {
				n = (n + 1) % (1 << pseudonymBits)
			}
		}
		p.places[a], p.taken[n] = n, struct{}{}
	}
	var out [4]byte
	binary.BigEndian.PutUint32(out[:], network|n)
	return netip.AddrFrom4(out), true
}

// AddrPort replaces the IP address of a. The port stays, because it identifies nobody.
func (p *Pseudonyms) AddrPort(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() {
		return a
	}
	return netip.AddrPortFrom(p.Addr(a.Addr()), a.Port())
}

// MAC replaces a link-layer address of 6 bytes in place by a locally administered one. Broadcast,
// multicast and zero addresses stay.
func (p *Pseudonyms) MAC(b []byte) {
	if b[0]&1 != 0 || [6]byte(b) == [6]byte{} {
		return
	}
	sum := p.sum("mac", b[:6])
	copy(b[:6], sum[:])
	b[0] = b[0]&^3 | 2
}

// digits is the number of hexadecimal digits of the hash in a pseudonym: 32 bits.
const digits = 8

// Name returns the pseudonym of a name of a kind that is in no packet ("network"): the kind, a
// hyphen and some digits. It is empty for an empty name.
func (p *Pseudonyms) Name(kind, name string) string {
	if name == "" {
		return ""
	}
	sum := p.sum(kind, []byte(name))
	return kind + "-" + hex.EncodeToString(sum[:digits/2])
}

// maxNamed is how many bytes of a name determine its pseudonym. Reports keep as many, so a longer
// name has the same pseudonym in a report and in a packet.
const maxNamed = 256

// Fitted returns the pseudonym of a name that is in packets ("client", "host"). It has the length
// of the name, so it is the same in reports and packets. It is Name, padded with hyphens or
// shortened. Shortening removes bytes of the kind first: "client-1f2e3d4c" becomes "cli-1f2e3d4c".
func (p *Pseudonyms) Fitted(kind, name string) string {
	if p.keeps && isFitted(kind, name) {
		return name
	}
	out, length := p.Name(kind, name[:min(len(name), maxNamed)]), len(name)
	if over := len(out) - length; over > 0 {
		return out[:max(len(kind)-over, 0)] + out[min(max(len(kind), over), len(out)):]
	}
	return out + strings.Repeat("-", length-len(out))
}

// isFitted reports whether a name has the form of a result of Fitted.
func isFitted(kind, name string) bool {
	kindLength := min(max(len(name)-digits-1, 0), len(kind))
	rest, ok := strings.CutPrefix(name, kind[:kindLength])
	if ok && len(name) > digits {
		rest, ok = strings.CutPrefix(rest, "-")
	}
	hash := rest[:min(len(rest), digits)]
	return ok && strings.Trim(hash, "0123456789abcdef") == "" && strings.Trim(rest[len(hash):], "-") == ""
}

// Fill overwrites a name with its Fitted pseudonym.
func (p *Pseudonyms) Fill(kind string, b []byte) { copy(b, p.Fitted(kind, string(b))) }

// impersonal matches the client ids that brokers and libraries choose. They identify nobody, and
// rules and known issues recognize them, so they stay.
var impersonal = regexp.MustCompile(`^(` +
	// Apache Kafka: ReplicaFetcherThread, TransactionMarkerChannelManager,
	// AddPartitionsToTxnManager, KafkaRaftManager.
	`broker-[0-9]+-fetcher-[0-9]+|broker-[0-9]+-txn-marker-sender|AddPartitionsManager(-(client-)?[0-9]+)?|raft-client-[0-9]+` +
	// kafka-clients: ProducerConfig, ConsumerConfig without a group, KafkaAdminClient.
	`|(producer|consumer|adminclient)-[0-9]+` +
	// librdkafka, sarama, kafkajs, franz-go, aiokafka, kafka-python.
	`|rdkafka|sarama|kafkajs|kgo|aiokafka-(producer-[0-9]+|[0-9.]+)|kafka-python-(producer-[0-9]+|[0-9.]+)` +
	`)$`)

// Client returns a client id's pseudonym of equal length. Ids that brokers and libraries choose
// stay.
func (p *Pseudonyms) Client(id string) string {
	if impersonal.MatchString(id) {
		return id
	}
	return p.Fitted("client", id)
}

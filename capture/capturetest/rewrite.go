package capturetest

import "math/rand/v2"

// Keeps says what a rewriting must leave as it was. Frame numbers and times
// of packets change with all of them, and where the first packets of
// connections are lost, so do stream numbers: compare by addresses.
type Keeps uint8

// What a rewriting can leave as it was.
const (
	// KeepsRequests: the same requests can be seen.
	KeepsRequests Keeps = 1 << iota
	// KeepsVerdicts: and they are judged by the same ranges.
	KeepsVerdicts
	// KeepsOutcomes: and the connections go on and end as they did.
	KeepsOutcomes
	// KeepsFindings: and nothing else can be said of the capture than before.
	KeepsFindings
	// KeepsAddresses: and the addresses and ports are the same.
	KeepsAddresses

	// KeepsAll is what a rewriting keeps that does not touch the payload of
	// any connection, nor its ends.
	KeepsAll = KeepsRequests | KeepsVerdicts | KeepsOutcomes | KeepsFindings | KeepsAddresses
)

// A Variant is one way in which a capture of the same traffic can look.
type Variant struct {
	Name string
	// Keeps is what must stay as it was. Without KeepsRequests, requests may be
	// missing, yet none may appear that was not there.
	Keeps Keeps
	// Rewrite makes the variant; the same seed gives the same packets. The
	// packets given are not changed.
	Rewrite func(packets []Packet, seed uint64) []Packet
}

// Variants are all variants that the kit can make.
func Variants() []Variant {
	var all []Variant
	first, second := prefaces()[:firstPrefaces+1], prefaces()[firstPrefaces+1:]
	for _, some := range [][]Variant{copies(), segmentations(), endings(), Encapsulations(), damages(), first, forgeries()[:firstForgeries], twins(), second, forgeries()[firstForgeries:]} {
		all = append(all, some...)
	}
	return all
}

// plain makes the Rewrite of a function without a seed.
func plain(f func([]Packet) []Packet) func([]Packet, uint64) []Packet {
	return func(packets []Packet, _ uint64) []Packet { return f(packets) }
}

// random is the generator for a seed.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6b61666b61766574)) }

// garbage is n random bytes.
func garbage(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

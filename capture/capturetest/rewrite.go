package capturetest

import "math/rand/v2"

// Keeps says what a rewriting does not change. All of them change frame numbers and times. Stream
// numbers change if the first packets of connections are lost: compare by addresses.
type Keeps uint8

// The properties that a rewriting can keep.
const (
	// KeepsRequests: the same requests are visible.
	KeepsRequests Keeps = 1 << iota
	// KeepsVerdicts: the same ranges apply to them.
	KeepsVerdicts
	// KeepsOutcomes: the connections continue and end in the same way.
	KeepsOutcomes
	// KeepsFindings: the capture has no other findings.
	KeepsFindings
	// KeepsAddresses: the addresses and ports are the same.
	KeepsAddresses

	// KeepsAll is for a rewriting that changes neither the payload nor the end of a connection.
	KeepsAll = KeepsRequests | KeepsVerdicts | KeepsOutcomes | KeepsFindings | KeepsAddresses
)

// Variant is one way in which a capture of the same traffic can look.
type Variant struct {
	Name string
	// Keeps is what does not change. Without KeepsRequests, requests may be missing, but no new
	// ones may appear.
	Keeps Keeps
	// Rewrite makes the variant. The same seed gives the same packets. It does not change packets.
	Rewrite func(packets []Packet, seed uint64) []Packet
}

// Variants returns all variants.
func Variants() []Variant {
	var all []Variant
	first, second := prefaces()[:firstPrefaces+1], prefaces()[firstPrefaces+1:]
	for _, some := range [][]Variant{copies(), segmentations(), endings(), Encapsulations(), damages(), first, forgeries()[:firstForgeries], twins(), second, forgeries()[firstForgeries:moreForgeries], unknown(), forgeries()[moreForgeries:]} {
		all = append(all, some...)
	}
	return all
}

// plain makes a Rewrite of a function without a seed.
func plain(f func([]Packet) []Packet) func([]Packet, uint64) []Packet {
	return func(packets []Packet, _ uint64) []Packet { return f(packets) }
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6b61666b61766574)) }

// garbage returns n random bytes.
func garbage(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

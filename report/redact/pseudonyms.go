package redact

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
)

const (
	// pseudonymBits is the size of the range that IPv4 addresses are mapped to,
	// 198.18.0.0/15, set apart for measurements between networks (RFC 2544, RFC 6890).
	pseudonymBits = 17
	// maxPseudonyms bounds the IPv4 addresses with a place in that range, half
	// of it: 65,536 of some 40 bytes in two maps are 5 MiB. Further ones are mapped to IPv6.
	maxPseudonyms = 1 << (pseudonymBits - 1)
	// keySize is the length of a random key in bytes.
	keySize = 32
)

// Pseudonyms replaces names and addresses by others that tell nothing: the same by
// the same, different ones by different ones, and with the same key in every
// report. It belongs to one goroutine.
type Pseudonyms struct {
	key []byte
	// places are the IPv4 addresses that have been mapped, taken the places that are used up.
	places map[[4]byte]uint32
	taken  map[uint32]struct{}
}

// NewPseudonyms makes pseudonyms from a key; an empty one stands for a random
// key, which nobody knows afterwards.
func NewPseudonyms(key string) *Pseudonyms {
	p := &Pseudonyms{key: []byte(key), places: map[[4]byte]uint32{}, taken: map[uint32]struct{}{}}
	if key == "" {
		p.key = make([]byte, keySize)
		_, _ = rand.Read(p.key) // never fails
	}
	return p
}

// sum is the keyed hash of something of a kind.
func (p *Pseudonyms) sum(kind string, b []byte) [sha256.Size]byte {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(kind))
	h.Write([]byte{0})
	h.Write(b)
	return [sha256.Size]byte(h.Sum(nil))
}

// Addr is the pseudonym of an IP address: one of 198.18.0.0/15 for IPv4, of
// 2001:db8::/32 for IPv6.
func (p *Pseudonyms) Addr(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.IsValid() {
		return a
	}
	if a.Is4() {
		if place, ok := p.place(a.As4()); ok {
			return place
		}
	}
	sum := p.sum("ip", a.AsSlice())
	out := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	copy(out[4:], sum[:])
	return netip.AddrFrom16(out)
}

// place finds or takes a place in the range of IPv4 pseudonyms.
func (p *Pseudonyms) place(a [4]byte) (netip.Addr, bool) {
	const network = 198<<24 | 18<<16
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

// AddrPort is an address with its IP address replaced; ports tell nobody apart.
func (p *Pseudonyms) AddrPort(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() {
		return a
	}
	return netip.AddrPortFrom(p.Addr(a.Addr()), a.Port())
}

// MAC replaces a link-layer address of 6 bytes in place by one of those that are
// administered locally. Broadcast, multicast and no address at all stay.
func (p *Pseudonyms) MAC(b []byte) {
	if b[0]&1 != 0 || [6]byte(b) == [6]byte{} {
		return
	}
	sum := p.sum("mac", b[:6])
	copy(b[:6], sum[:])
	b[0] = b[0]&^3 | 2
}

// digits is how many hexadecimal digits of the hash a name shows: 32 bits.
const digits = 8

// Name is the pseudonym of a name of a kind ("client", "host"): the kind, a
// hyphen and some digits. It is empty for an empty name.
func (p *Pseudonyms) Name(kind, name string) string {
	if name == "" {
		return ""
	}
	sum := p.sum(kind, []byte(name))
	return kind + "-" + hex.EncodeToString(sum[:digits/2])
}

// Fill overwrites a name with its pseudonym, filled up to its length, or cut: of
// the kind first, so that "client-1f2e3d4c" becomes "cli-1f2e3d4c".
func (p *Pseudonyms) Fill(kind string, b []byte) {
	name := p.Name(kind, string(b))
	if over := len(name) - len(b); over > 0 {
		name = name[:max(len(kind)-over, 0)] + name[min(max(len(kind), over), len(name)):]
	}
	for i := copy(b, name); i < len(b); i++ {
		b[i] = '-'
	}
}

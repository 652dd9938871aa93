package redact

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
)

const (
	// pseudonymBits is the size of range4, which IPv4 addresses are mapped to.
	pseudonymBits = 17
	// maxPseudonyms bounds the IPv4 addresses with a place in that range, half
	// of it: 65,536 of some 40 bytes in two maps are 5 MiB. Further ones are mapped to IPv6.
	maxPseudonyms = 1 << (pseudonymBits - 1)
	// keySize is the length of a random key in bytes.
	keySize = 32
)

// Pseudonyms replaces names and addresses by others that reveal nothing: the same by
// the same, different ones by different ones, and with the same key in every
// report. It belongs to one goroutine.
type Pseudonyms struct {
	key []byte
	// places are the IPv4 addresses that have been mapped, taken the places that are used up.
	places map[[4]byte]uint32
	taken  map[uint32]struct{}
	// keeps: what has the form of a pseudonym stays as it is.
	keeps bool
}

// Keep leaves what has the form of a pseudonym as it is. It is for captures in which pseudonyms took the place of
// everything else already, so that they stay the same when such a capture is analyzed again.
func (p *Pseudonyms) Keep() { p.keeps = true }

// What pseudonyms of addresses lie in: set apart for measurements between networks (RFC 2544, RFC 6890) and for
// documentation (RFC 3849).
var (
	range4 = netip.MustParsePrefix("198.18.0.0/15")
	range6 = netip.MustParsePrefix("2001:db8::/32")
)

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

// place finds or takes a place in the range of IPv4 pseudonyms.
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

// AddrPort is an address with its IP address replaced; ports identify nobody.
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

// Name is the pseudonym of a name of a kind that stands in no packet ("network"): the kind, a hyphen and some
// digits. It is empty for an empty name.
func (p *Pseudonyms) Name(kind, name string) string {
	if name == "" {
		return ""
	}
	sum := p.sum(kind, []byte(name))
	return kind + "-" + hex.EncodeToString(sum[:digits/2])
}

// maxNamed is how many bytes of a name decide on its pseudonym: as many as reports keep, so that a longer name has the
// same pseudonym in a report and in a packet.
const maxNamed = 256

// Fitted is the pseudonym of a name that stands in packets ("client", "host"). It has the length of the name, so that
// it is the same in reports and in packets: Name filled up with hyphens, or cut, of the kind first, so that
// "client-1f2e3d4c" becomes "cli-1f2e3d4c".
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

// isFitted reports whether a name has the form that Fitted gives.
func isFitted(kind, name string) bool {
	kindLength := min(max(len(name)-digits-1, 0), len(kind))
	rest, ok := strings.CutPrefix(name, kind[:kindLength])
	if ok && len(name) > digits {
		rest, ok = strings.CutPrefix(rest, "-")
	}
	hash := rest[:min(len(rest), digits)]
	return ok && strings.Trim(hash, "0123456789abcdef") == "" && strings.Trim(rest[len(hash):], "-") == ""
}

// Fill overwrites a name with Fitted of it.
func (p *Pseudonyms) Fill(kind string, b []byte) { copy(b, p.Fitted(kind, string(b))) }

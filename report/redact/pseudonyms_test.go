package redact

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestPseudonymsOfAddresses(t *testing.T) {
	p, other, same := NewPseudonyms("a"), NewPseudonyms("b"), NewPseudonyms("a")
	four, six := netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("2001:db8::/32")
	taken := map[netip.Addr]string{}
	for i := range 20_000 {
		for _, text := range []string{fmt.Sprintf("10.0.%d.%d", i>>8, i&255), fmt.Sprintf("fd00::%x", i)} {
			a := netip.MustParseAddr(text)
			got := p.Addr(a)
			if a.Is4() && !four.Contains(got) || a.Is6() && !six.Contains(got) {
				t.Fatalf("%s is %s", a, got)
			}
			if was, ok := taken[got]; ok {
				t.Fatalf("%s and %s are both %s", was, a, got)
			}
			taken[got] = text
			if p.Addr(a) != got || p.Addr(netip.AddrFrom16(a.As16())) != got {
				t.Fatalf("%s is not always %s", a, got)
			}
		}
	}
	a := netip.MustParseAddr("10.1.2.3")
	if same.Addr(a) != NewPseudonyms("a").Addr(a) || same.Addr(a) == other.Addr(a) {
		t.Error("the key does not decide")
	}
	if p.AddrPort(netip.AddrPort{}).IsValid() {
		t.Error("no address has a pseudonym")
	}
}

// TestPseudonymsOfManyAddressesStayBounded: when the range is full, addresses are mapped to IPv6.
func TestPseudonymsOfManyAddressesStayBounded(t *testing.T) {
	p := NewPseudonyms("")
	var last netip.Addr
	for i := range maxPseudonyms + 1 {
		last = p.Addr(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(p.places) != maxPseudonyms || !last.Is6() {
		t.Errorf("%d places, the last address is %s", len(p.places), last)
	}
}

func TestPseudonymsFillTheLengthOfAName(t *testing.T) {
	p := NewPseudonyms("key")
	name := p.Name("client", "orders-svc-eu-west-1")
	for _, c := range []struct{ was, want string }{
		{"orders-svc-eu-west-1", name + "-----"},
		{"", ""},
	} {
		b := []byte(c.was)
		p.Fill("client", b)
		if string(b) != c.want {
			t.Errorf("%q is filled with %q, want %q", c.was, b, c.want)
		}
	}
	for _, was := range []string{"ab", "twelve-chars", "eight-ch", "nine-char"} {
		b := []byte(was)
		p.Fill("client", b)
		kind, hash, _ := strings.Cut(p.Name("client", was), "-")
		if want := kind[:max(len(was)-9, 0)] + ("-" + hash)[max(9-len(was), 0):]; string(b) != want {
			t.Errorf("%q is filled with %q, want %q", was, b, want)
		}
	}
}

func TestPseudonymsThatAreKept(t *testing.T) {
	p := NewPseudonyms("key")
	long := strings.Repeat("x", maxNamed)
	if p.Fitted("client", long) != p.Fitted("client", long+"y")[:maxNamed] {
		t.Error("a name that a report cuts has another pseudonym than in a packet")
	}
	kept := []string{p.Addr(netip.MustParseAddr("10.0.0.1")).String(), p.Addr(netip.MustParseAddr("fd00::1")).String()}
	names := []string{"ab", "eight-ch", "nine-char", "twelve-chars", "orders-svc-eu-west-1", long + "y"}
	for i, name := range names {
		names[i] = p.Fitted("client", name)
	}
	p.Keep()
	for _, a := range kept {
		if got := p.Addr(netip.MustParseAddr(a)).String(); got != a {
			t.Errorf("%s became %s", a, got)
		}
	}
	for _, name := range names {
		if got := p.Fitted("client", name); got != name {
			t.Errorf("%s became %s", name, got)
		}
	}
	for _, name := range []string{"orders-svc", "client-1f2e3d4", "client-1f2e3d4c-x", "cliant-1f2e3d4c", "1f2e3d4g", "client-1F2E3D4C", "host-1f2e3d4c-"} {
		if p.Fitted("client", name) == name {
			t.Errorf("%s stays", name)
		}
	}
	for _, a := range []string{"10.0.0.1", "198.17.255.255", "198.20.0.0", "2001:db9::1"} {
		if p.Addr(netip.MustParseAddr(a)).String() == a {
			t.Errorf("%s stays", a)
		}
	}
}

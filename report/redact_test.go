package report

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
)

// fillTexts puts "was PATH" into every text of v, making lists of one element and pointers on the way.
func fillTexts(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("was " + path)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fillTexts(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillTexts(v.Index(0), path+"[]")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillTexts(v.Elem(), path)
	}
}

// textsLeft are the paths of texts that are as fillTexts made them.
func textsLeft(v reflect.Value) []string {
	var left []string
	switch v.Kind() {
	case reflect.String:
		if path, ok := strings.CutPrefix(v.String(), "was "); ok {
			left = append(left, path)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			left = append(left, textsLeft(v.Field(i))...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			left = append(left, textsLeft(v.Index(i))...)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			left = append(left, textsLeft(v.Elem())...)
		}
	}
	return left
}

// TestRedactReplacesEveryTextButThese: a new text in the report has to be replaced or be listed here.
func TestRedactReplacesEveryTextButThese(t *testing.T) {
	var r Report
	fillTexts(reflect.ValueOf(&r).Elem(), "")
	Redact(&r, NewPseudonyms("key"))
	want := []string{
		"Schema", "Tool.Name", "Tool.Version",
		"Captures[].Format",
		"Captures[].Problem", // its path is replaced: TestRedactReplacesThePathInAProblem
		"Brokers[].Release", "Brokers[].ReleaseReason", "Brokers[].ReleaseNames[]", "Brokers[].ReleaseRunnersUp[]", "Brokers[].APIs[].Name",
		"Clients[].SoftwareName", "Clients[].SoftwareVersion", "Clients[].APIs[].Name",
		// Texts of rules hold no names: TestTextsOfFindingsHoldNoNames.
		"Findings[].Code", "Findings[].Title", "Findings[].Message", "Findings[].API", "Findings[].Evidence",
		"Findings[].Client.SoftwareName", "Findings[].Client.SoftwareVersion", "Findings[].Release",
		"Findings[].Occurrences[].Outcome", "Findings[].Occurrences[].Evidence", "Findings[].Occurrences[].Detail",
		"Findings[].Occurrences[].TLS.Version", "Findings[].Occurrences[].TLS.Suite", "Findings[].Occurrences[].TLS.ClientRandom",
		"Findings[].KnownIssue.ID", "Findings[].KnownIssue.Title", "Findings[].KnownIssue.URL", "Findings[].KnownIssue.FixedIn",
		"Findings[].KnownIssue.Workaround", "Findings[].KnownIssue.Confidence",
		"Findings[].Why", "Findings[].Advice",
		"Findings[].Reason",
		"Target.Name", "Target.Release", "Target.Source", "Target.Notes[]", // made from numbers: reference_file.go
		"Target.Clients[].SoftwareName", "Target.Clients[].SoftwareVersion", "Target.Clients[].Verdict",
		"Target.Clients[].APIs[].Name", "Target.Clients[].APIs[].Reason",
		"Supplied.Name", "Supplied.Release", "Supplied.Source", "Supplied.Notes[]",
		"Quality.UnparsedReasons[].Name", "Quality.OtherProtocols[].Protocol", "Quality.NotChecked[].Reason",
		"Timeline.Lanes[].SoftwareName", "Timeline.Lanes[].SoftwareVersion", "Timeline.Lanes[].End",
		"Timeline.Lanes[].Events[].API", "Timeline.Lanes[].Events[].Verdict", "Timeline.Lanes[].Events[].Outcome", "Timeline.Lanes[].Events[].Code",
	}
	got := textsLeft(reflect.ValueOf(r))
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("texts that stay (-want +got):\n%s", d)
	}
}

func TestRedactReplacesThePathInAProblem(t *testing.T) {
	r := Report{Captures: []Capture{
		{Path: "/home/alice/prod.pcapng.zst", Problem: "read capture /home/alice/prod.pcapng.zst: packet 3 breaks off"},
		{Path: "-", Problem: "read capture -: breaks off"},
		{Path: "secret.alice"},
	}}
	Redact(&r, NewPseudonyms(""))
	want := []Capture{
		{Path: "capture-1.pcapng.zst", Problem: "read capture capture-1.pcapng.zst: packet 3 breaks off"},
		{Path: "-", Problem: "read capture -: breaks off"},
		{Path: "capture-3"},
	}
	if d := cmp.Diff(want, r.Captures); d != "" {
		t.Errorf("captures (-want +got):\n%s", d)
	}
}

// TestTextsOfFindingsHoldNoNames: every rule's texts, made from an input with
// telling names, hold none of them.
func TestTextsOfFindingsHoldNoNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios() {
		r := builderOf(Options{Target: s.target}, s.calls...).Report()
		for _, f := range r.Findings {
			seen[f.Code] = true
			for _, text := range []string{f.Message, f.Why, f.Advice, f.Title} {
				for _, leak := range []string{"orders-svc", "127.0.0.1", "kafka-1.example", testClient.String(), testBroker.String()} {
					if strings.Contains(text, leak) {
						t.Errorf("%s, %s: %q holds %q", s.name, f.Code, text, leak)
					}
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d rules fired", len(seen))
	}
}

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

// TestPseudonymsOfManyAddressesStayBounded: beyond what the range has room for, addresses are mapped to IPv6.
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
		p.fill("client", b)
		if string(b) != c.want {
			t.Errorf("%q is filled with %q, want %q", c.was, b, c.want)
		}
	}
	for _, was := range []string{"ab", "twelve-chars", "eight-ch", "nine-char"} {
		b := []byte(was)
		p.fill("client", b)
		kind, hash, _ := strings.Cut(p.Name("client", was), "-")
		if want := kind[:max(len(was)-9, 0)] + ("-" + hash)[max(9-len(was), 0):]; string(b) != want {
			t.Errorf("%q is filled with %q, want %q", was, b, want)
		}
	}
}

func TestRedactedRequestsLeaveTheExchangeAlone(t *testing.T) {
	var out strings.Builder
	w := NewRequestsTSV(&out)
	x := exchangeOf(1, 0, 1, 12, verdictOf(decode.AboveMax))
	before := *x
	RedactRequests(w, NewPseudonyms("k")).Exchange(x)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before.ClientID, x.ClientID); d != "" || x.Client != before.Client {
		t.Errorf("the exchange was changed: %s", d)
	}
	for _, leak := range []string{"orders-svc", "127.0.0.1"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q holds %q", out.String(), leak)
		}
	}
}

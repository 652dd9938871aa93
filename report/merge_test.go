package report

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// mergeable is an accumulator that can be merged.
type mergeable[T any] interface {
	*T
	merge(*T)
}

// checkMerge feeds the parts of an input to an accumulator each, and merges these in several
// orders: the results are the same, and that of one accumulator that saw all, unless isBounded.
func checkMerge[T any, P mergeable[T]](t *testing.T, what string, parts [3][]any, isBounded bool, begin func() T, feed func(P, any), finish func(P) any) {
	t.Helper()
	fill := func(parts ...[]any) P {
		a := begin()
		for _, part := range parts {
			for _, call := range part {
				feed(&a, call)
			}
		}
		return &a
	}
	merged := func(order [3]int, isRight bool) any {
		a, b, c := fill(parts[order[0]]), fill(parts[order[1]]), fill(parts[order[2]])
		if isRight {
			b.merge((*T)(c))
			a.merge((*T)(b))
		} else {
			a.merge((*T)(b))
			a.merge((*T)(c))
		}
		return finish(a)
	}
	want := merged([3]int{0, 1, 2}, false)
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for _, isRight := range []bool{false, true} {
			if got := merged(order, isRight); !reflect.DeepEqual(want, got) {
				t.Fatalf("%s: merged in the order %v, last two first %v (-want +got):\n%s", what, order, isRight, cmp.Diff(want, got))
			}
		}
	}
	if !isBounded {
		if diff := cmp.Diff(finish(fill(parts[:]...)), want); diff != "" {
			t.Fatalf("%s: one that saw all, and merged ones (-one +merged):\n%s", what, diff)
		}
	}
}

// randomParts are three parts of an input, each with connections of its own.
func randomParts(seed uint64, calls, clients, streams int) (parts [3][]any) {
	r := rand.New(rand.NewPCG(seed, 1))
	for p := range parts {
		for i := range calls {
			stream := uint32(3*r.IntN(streams) + p)
			frame := uint64(1000*i + 3*r.IntN(300) + p + 1)
			n := r.IntN(clients)
			x := exchangeOf(frame, stream, int16(r.IntN(4)), int16(r.IntN(9)), func(x *decode.Exchange) {
				x.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), uint16(stream)+1)
				x.Software.Version = fmt.Sprint(n / 3)
				x.ClientID = fmt.Sprintf("client-%d", n%7)
				x.Verdict, x.Outcome = decode.Verdict(r.IntN(5)), decode.Outcome(r.IntN(6))
				x.Evidence = decode.Evidence(r.IntN(4))
			})
			parts[p] = append(parts[p], x)
		}
		for stream := range uint32(streams) {
			if stream%4 == 3 {
				continue // still open
			}
			parts[p] = append(parts[p], connectionOf(3*stream+uint32(p), uint64(1+3*stream)+uint64(p), 1_000_000, func(c *decode.Connection) {
				c.Missing, c.Resyncs, c.Midstream = uint64(r.IntN(3)), uint64(r.IntN(2)), r.IntN(2) == 0
			}))
		}
	}
	return parts
}

// TestMergeDependsOnNoOrder: of coverage, clients and the timeline.
func TestMergeDependsOnNoOrder(t *testing.T) {
	for seed := range uint64(4) {
		parts := randomParts(seed, 200, 30, 10)
		checkMerge(t, "coverage", parts, false, newCoverage, feedCoverage, func(c *coverage) any { return []any{c.summary, c.finish(nil, nil)} })
		checkMerge(t, "clients", parts, false, newClients, feedClients, func(c *clients) any {
			hit := map[string]uint64{}
			out, wasServed := c.finish(hit), map[string]int{}
			for _, r := range c.records {
				wasServed[fmt.Sprint(r.key)] = len(r.served.list)
			}
			return []any{out, hit, wasServed}
		})
		checkMerge(t, "target", parts, false, func() targetCheck { return *newTargetCheck(kafka4()) }, feedTarget, func(c *targetCheck) any {
			return c.finish(map[string]uint64{})
		})
		checkMerge(t, "timeline", parts, false, newTimeline, feedTimeline, func(l *timeline) any { return l.snapshot(nil) })
	}
}

// TestMergeKeepsTheBounds: and depends on no order, either. How much was left out does, since
// what was left out before is not known any more.
func TestMergeKeepsTheBounds(t *testing.T) {
	checkMerge(t, "clients", randomParts(1, 3500, 6*maxClients, 40), true, newClients, feedClients, func(c *clients) any {
		hit := map[string]uint64{}
		out := c.finish(hit)
		if len(out) > maxClients || hit["clients"] == 0 {
			t.Errorf("%d clients, limits %v", len(out), hit)
		}
		return out
	})
	checkMerge(t, "members of a client", randomParts(2, 2000, 3000, 40), true, newClients, func(c *clients, call any) {
		if x, ok := call.(*decode.Exchange); ok {
			y := *x
			y.Software.Version, y.ClientID, y.Version = "1", x.Client.String(), int16(x.Client.Addr().As4()[3])%200
			feedClients(c, &y)
		}
	}, func(c *clients) any {
		out := c.finish(map[string]uint64{})[0]
		versions := 0
		for _, a := range out.APIs {
			versions += len(a.Versions)
		}
		if len(out.ClientIDs) > maxClientMembers || len(out.Addresses) > maxClientMembers || len(out.BrokerAddresses) > maxClientMembers || versions > maxUsages {
			t.Errorf("%d client ids, %d addresses, %d versions", len(out.ClientIDs), len(out.Addresses), versions)
		}
		return []any{out.ClientIDs, out.Addresses, versions}
	})
	checkMerge(t, "timeline", randomParts(3, 1000, 30, 150), true, newTimeline, feedTimeline, func(l *timeline) any {
		out := l.snapshot(nil)
		if len(out.Lanes) > model.MaxFlaggedLanes+model.MaxPlainLanes || out.Omitted == 0 {
			t.Errorf("%d lanes, %d omitted", len(out.Lanes), out.Omitted)
		}
		return out
	})
}

func feedCoverage(c *coverage, call any) {
	switch call := call.(type) {
	case *decode.Exchange:
		c.exchange(call)
	case *decode.Connection:
		c.connection(call)
	}
}

func feedClients(c *clients, call any) {
	if x, ok := call.(*decode.Exchange); ok {
		c.exchange(x)
	}
}

func feedTarget(c *targetCheck, call any) {
	if x, ok := call.(*decode.Exchange); ok {
		y := *x
		y.Asked = decode.Asked // what is known of one who did not ask depends on what came before
		if y.Verdict == decode.OK {
			y.Key, y.Version, y.Ranges, y.Advertised = 8, 1, nil, decode.Range{Max: 1}
			if y.Stream%3 == 0 { // only in one part it is seen to adapt
				y.Version, y.Advertised.Max = 5, 5
			}
		}
		c.exchange(&y)
	}
}

func feedTimeline(l *timeline, call any) {
	switch call := call.(type) {
	case *decode.Exchange:
		rule := -1
		if call.Stream%2 == 0 && call.Verdict == decode.AboveMax {
			rule = 0
		}
		l.exchange(call, rule)
	case *decode.Connection:
		l.connection(call)
	}
}

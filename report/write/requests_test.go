package write

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// frames returns the frame numbers of a table's rows.
func frames(t *testing.T, table string) []uint64 {
	t.Helper()
	var out []uint64
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[1:] {
		n, err := strconv.ParseUint(line[:strings.IndexByte(line, '\t')], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

func TestRequestsAreWrittenInTheOrderOfTheirPackets(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var calls []*decode.Exchange
	for i := range 2000 {
		// Each is finished up to 500 positions late.
		calls = append(calls, exchangeAt(uint64(i+1)))
	}
	for i := range calls {
		j := min(i+random.IntN(500), len(calls)-1)
		calls[i], calls[j] = calls[j], calls[i]
	}
	var out bytes.Buffer
	w := NewRequestsTSV(&out)
	for _, x := range calls {
		w.Exchange(x)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := frames(t, out.String()); !slices.IsSorted(got) || len(got) != 2000 || w.Late() != 0 {
		t.Errorf("%d rows, sorted %v, %d late", len(got), slices.IsSorted(got), w.Late())
	}
}

func TestRequestsOfOnePacketKeepTheirOrder(t *testing.T) {
	var out bytes.Buffer
	w := NewRequestsTSV(&out)
	for i := range 50 {
		w.Exchange(exchangeAt(7, func(x *decode.Exchange) { x.CorrelationID = int32(i) }))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n")[1:] {
		if id := strings.Split(line, "\t")[6]; id != strconv.Itoa(i) {
			t.Fatalf("row %d has correlation id %s", i, id)
		}
	}
}

// TestCapturesAreMergedByTime: at equal times, the earlier capture is first.
func TestCapturesAreMergedByTime(t *testing.T) {
	var out bytes.Buffer
	w := NewRequestsTSV(&out)
	for _, f := range []struct {
		frame   uint64
		capture uint32
		time    int64
	}{{3, 2, 20}, {2, 0, 30}, {1, 1, 20}, {4, 1, 10}} { // the clock of capture 1 was set back once
		w.Exchange(exchangeAt(f.frame, func(x *decode.Exchange) { x.Request.Capture, x.Request.Time = f.capture, f.time }))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := frames(t, out.String()); !slices.Equal(got, []uint64{1, 4, 3, 2}) {
		t.Errorf("frames %v, want 1, 4, 3, 2", got)
	}
}

func TestTheWindowOfRequestsIsBounded(t *testing.T) {
	w := NewRequestsTSV(io.Discard)
	w.Exchange(exchangeAt(1 << 40))
	x := exchangeAt(1)
	for i := range maxHeldRows + 10 {
		x.Request.Frame = uint64(2*maxHeldRows - i)
		w.Exchange(x)
		if len(w.rows) >= maxHeldRows || len(w.lines) > maxHeldBytes {
			t.Fatalf("%d rows of %d bytes are held back", len(w.rows), len(w.lines))
		}
	}
	if len(w.rows) < windowRows {
		t.Errorf("only %d rows are held back", len(w.rows))
	}
	for range maxHeldRows {
		x.Request.Frame = 1
		w.Exchange(x)
	}
	if w.Late() == 0 {
		t.Error("rows that came more than a window late were not counted")
	}
	x.ClientID = strings.Repeat("\x1b", maxShown)
	for i := range maxHeldBytes / maxShown {
		x.Request.Frame = uint64(1<<41 + i)
		w.Exchange(x)
		if len(w.lines) > maxHeldBytes {
			t.Fatalf("%d rows of %d bytes are held back", len(w.rows), len(w.lines))
		}
	}
	if len(w.rows) >= windowRows {
		t.Errorf("%d rows with the longest client ids are held back", len(w.rows))
	}
	if err := w.Close(); err != nil || len(w.rows) != 0 {
		t.Errorf("after Close: error %v, %d rows", err, len(w.rows))
	}
}

// failing is a writer that fails after room bytes.
type failing struct{ room int }

var errNoRoom = errors.New("no room left")

func (f *failing) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	if n < len(p) {
		return n, errNoRoom
	}
	return n, nil
}

func TestRequestsKeepTheFirstError(t *testing.T) {
	w := NewRequestsTSV(&failing{room: 100 << 10})
	for i := range 2 * maxHeldRows {
		w.Exchange(exchangeAt(uint64(i + 1)))
	}
	if err := w.Close(); !errors.Is(err, errNoRoom) {
		t.Errorf("error %v, want %v", err, errNoRoom)
	}
}

func TestUnknownValuesAreMarked(t *testing.T) {
	x := exchangeAt(1, func(x *decode.Exchange) {
		x.Version, x.Evidence, x.Verdict = 11, decode.None, decode.Unknown
		x.HasClientID, x.ClientID, x.Outcome = false, "", decode.ClosedByBroker
	})
	if got, want := string(appendRowTSV(nil, x, &rowContext{})), "\t-\t1\t3\tMetadata\t11\t-\t-\tnone\tunknown\tclosed\t-\t-\t-\t-\n"; !strings.HasSuffix(got, want) {
		t.Errorf("row %q, want it to end in %q", got, want)
	}
	if got, want := string(appendRowJSON(nil, x, &rowContext{})), `"client_id":null,"correlation_id":1,"api_key":3,"api":"Metadata","version":11,"min":null,"max":null,"evidence":"none","verdict":"unknown","outcome":"closed","response_frame":null,"error_code":null,"milliseconds":null,"response_size":null}`; !strings.Contains(got, want) {
		t.Errorf("row %s, want %s in it", got, want)
	}
}

// TestColumnsOfTheResponse: an error code is only shown if it was parsed.
func TestColumnsOfTheResponse(t *testing.T) {
	for _, c := range []struct {
		key  int16
		code int16
		want string
	}{{3, 0, "\t9\t-\t1.234\t567\n"}, {3, 35, "\t9\t35\t1.234\t567\n"}, {18, 0, "\t9\t0\t1.234\t567\n"}} {
		x := exchangeAt(1, func(x *decode.Exchange) {
			x.Key, x.ErrorCode, x.Decided.Frame, x.Took, x.ResponseSize = c.key, c.code, 9, 1234567*time.Nanosecond, 567
		})
		if got := string(appendRowTSV(nil, x, &rowContext{})); !strings.HasSuffix(got, c.want) {
			t.Errorf("row %q, want it to end in %q", got, c.want)
		}
	}
}

// TestRequestsTableIsAligned: also after wide characters. Lines end at the terminal's width.
func TestRequestsTableIsAligned(t *testing.T) {
	table := func(width int) []string {
		var out bytes.Buffer
		w := NewRequestsTable(&out, TextOptions{Width: width})
		for i, id := range []string{"orders", "\u6ce8\u6587", "", "a\tb"} {
			w.Exchange(exchangeAt(uint64(1000*i+1), func(x *decode.Exchange) {
				x.ClientID, x.Broker = id, netip.MustParseAddrPort("192.0.2.1:9092")
			}))
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	lines := table(0)
	column := displayWidth(lines[0][:strings.Index(lines[0], "BROKER")])
	for _, line := range lines[1:] {
		if at := strings.LastIndex(line, "192.0.2.1:9092"); at < 0 || displayWidth(line[:at]) != column {
			t.Errorf("the broker is not in column %d:\n%s", column, strings.Join(lines, "\n"))
		}
	}
	if want := " 1001       0  01-01 00:00:00.000  Metadata v7  v0 to v7    ok       answered  0.000  "; !strings.HasPrefix(lines[2], want) {
		t.Errorf("line %q, want %q", lines[2], want)
	}
	for _, line := range table(40) {
		if displayWidth(line) != 40 || !strings.HasSuffix(line, ellipsis) {
			t.Errorf("%q is %d columns wide", line, displayWidth(line))
		}
	}
}

func TestStampsAreTimesInRFC3339(t *testing.T) {
	var s stamp
	for _, at := range []int64{0, 1, 999_999_999, 1_000_000_000, 1778340901123456789, 1778340901000000000, 1778340902000000001, -1, -1_000_000_000, 1<<63 - 1, -1 << 63} {
		if got, want := string(s.append(nil, at)), model.Time(at).String(); got != want {
			t.Errorf("%d: %s, want %s", at, got, want)
		}
	}
}

func BenchmarkRequestsTSV(b *testing.B) {
	b.ReportAllocs()
	w := NewRequestsTSV(io.Discard)
	x := exchangeAt(1)
	for i := range 2 * maxHeldRows {
		x.Request.Frame = uint64(i)
		w.Exchange(x)
	}
	for b.Loop() {
		x.Request.Frame++
		w.Exchange(x)
	}
}

func TestReportWritersReturnErrors(t *testing.T) {
	r := richReport()
	rules := []model.Rule{{Code: "KV1001", Title: "above-max", Summary: "too new"}}
	for name, err := range map[string]error{
		"text":    Text(&failing{room: 10}, r, TextOptions{}),
		"json":    JSON(&failing{room: 10}, r),
		"rules":   Rules(&failing{room: 10}, rules, TextOptions{}),
		"explain": Rule(&failing{room: 10}, rules, "KV1001", TextOptions{}),
	} {
		if !errors.Is(err, errNoRoom) {
			t.Errorf("%s: error %v, want %v", name, err, errNoRoom)
		}
	}
}

// exchangeAt returns a request inside its range, with its answer.
func exchangeAt(frame uint64, changes ...func(*decode.Exchange)) *decode.Exchange {
	x := &decode.Exchange{
		Request: capture.Position{Frame: frame}, ClientID: "orders-svc", HasClientID: true,
		CorrelationID: int32(frame), Key: 3, Version: 7,
		Advertised: decode.Range{Max: 7}, Evidence: decode.Observed, Verdict: decode.OK,
	}
	for _, change := range changes {
		change(x)
	}
	return x
}

package merge

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/report/model"
)

// TestTheRicherAnalysisOfACaptureCounts: one with a target is richer than one without, then the one
// with more requests, with names, and with more text.
func TestTheRicherAnalysisOfACaptureCounts(t *testing.T) {
	analysis := func(name string, isRedacted bool, change func(*model.Report)) string {
		r := reportOf(t, 1, change)
		Identify(r, Run{Redacted: isRedacted})
		return save(t, name, r)
	}
	requests := func(n uint64) func(*model.Report) { return func(r *model.Report) { r.Summary.Requests = n } }
	paths := []string{ // the poorest first
		analysis("no-target.json", false, func(r *model.Report) { r.Target, r.Summary.Requests = nil, 1000 }),
		analysis("sealed.json", false, requests(10)),
		analysis("redacted.json", true, func(r *model.Report) {
			r.Summary.Requests, r.Clients[0].ClientIDs = 60, []string{"client-0123456789abcdef"}
		}),
		analysis("plain.json", false, requests(60)),
		analysis("principals.json", false, func(r *model.Report) {
			r.Summary.Requests, r.Clients[0].Principals = 60, []string{"alice"}
		}),
	}
	for i := range paths {
		want := text(t, merged(t, paths[i]))
		for seed := range uint64(4) {
			if got := text(t, tree(t, rand.New(rand.NewPCG(seed, 5)), paths[:i+1], true)); got != want {
				t.Errorf("%s loses to a poorer analysis", filepath.Base(paths[i]))
			}
		}
	}
}

// TestSelectionsOfOneCaptureAllCount: none replaces another. Different key logs are an error.
func TestSelectionsOfOneCaptureAllCount(t *testing.T) {
	analysis := func(name string, requests uint64, how Run) string {
		r := reportOf(t, 1, func(r *model.Report) { r.Summary.Requests, r.Clients[0].ClientIDs = requests, []string{name} })
		Identify(r, how)
		return save(t, name, r)
	}
	all, host, port := analysis("all.json", 60, Run{}), analysis("host.json", 30, Run{Selection: "host 10.0.0.1"}), analysis("port.json", 30, Run{Selection: "port 9092"})
	for _, paths := range [][]string{{all, host, port}, {port, all, host, all}} {
		r, err := Files(paths, nil)
		if err != nil || len(r.Parts) != 3 {
			t.Errorf("%d parts, %v", len(r.Parts), err)
		}
	}
	keyed, other, same := analysis("keyed.json", 70, Run{Keys: "a"}), analysis("other.json", 50, Run{Keys: "b"}), analysis("keyed.json", 70, Run{Keys: "c"})
	if r, err := Files([]string{all, keyed, same}, nil); err != nil || len(r.Parts) != 1 || r.Parts[0].Requests != 70 {
		t.Errorf("with and without keys: %v", err)
	}
	for _, paths := range [][]string{{keyed, other}, {other, all, keyed}} {
		if _, err := Files(paths, nil); err == nil || !strings.Contains(err.Error(), "with different key logs: analyze it once with all of them") {
			t.Errorf("different key logs: %v", err)
		}
	}
}

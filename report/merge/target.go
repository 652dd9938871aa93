package merge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
)

// targetKey is what a row of a target is known by.
type targetKey struct{ name, version, clientIDs, principal, role string }

// useKey is a kind of request that the target refuses.
type useKey struct {
	key, version int16
	reason       string
	certain      bool
}

// targetRow is a TargetClient in the making.
type targetRow struct {
	model.TargetClient
	uses map[useKey]*model.TargetUse
}

// targetRows are the rows of all reports.
type targetRows struct {
	about  model.Target
	folded model.TargetSummary
	rows   map[targetKey]*targetRow
}

// addTarget takes the rows of a report. All reports must be about one target.
func (a *aggregate) addTarget(t *model.Target, path string) error {
	name := cmp.Or(t.Release, t.Name)
	if a.target == nil {
		about := *t
		about.Clients, about.Folded, about.Summary = nil, nil, model.TargetSummary{}
		a.target, a.targetName, a.targetPath = &targetRows{about: about, rows: map[targetKey]*targetRow{}}, name, path
	}
	if name != a.targetName {
		names := []string{fmt.Sprintf("%s is about %s", path, name), fmt.Sprintf("%s about %s", a.targetPath, a.targetName)}
		return fmt.Errorf("%s: merge reports with one --target", strings.Join(names, ", "))
	}
	if encoded(t.Notes)+t.Source+t.File > encoded(a.target.about.Notes)+a.target.about.Source+a.target.about.File {
		a.target.about.Notes, a.target.about.Source, a.target.about.File, a.target.about.Name = t.Notes, t.Source, t.File, t.Name
	}
	if t.Folded != nil {
		a.target.fold(t.Folded)
	}
	for i := range t.Clients {
		a.target.add(&t.Clients[i])
	}
	return nil
}

func (t *targetRows) fold(s *model.TargetSummary) {
	for _, v := range model.Verdicts {
		if n := t.folded.Of(v); n != nil {
			*n += *s.Of(v)
		}
	}
}

func (t *targetRows) add(c *model.TargetClient) {
	key := targetKey{c.SoftwareName, c.SoftwareVersion, strings.Join(c.ClientIDs, "\x00"), c.Principal, c.Role}
	if c.Role != "" {
		key.clientIDs = ""
	}
	own := t.rows[key]
	if own == nil {
		own = &targetRow{TargetClient: *c, uses: map[useKey]*model.TargetUse{}}
		own.APIs, own.Connections, own.Requests, own.Counts = nil, 0, 0, model.TargetCounts{}
		t.rows[key] = own
	}
	own.ClientIDs, own.Addresses = union(own.ClientIDs, c.ClientIDs), union(own.Addresses, c.Addresses)
	own.Connections += c.Connections
	own.Requests += c.Requests
	own.FirstSeen, own.LastSeen = min(own.FirstSeen, c.FirstSeen), max(own.LastSeen, c.LastSeen)
	own.Counts.Breaks += c.Counts.Breaks
	own.Counts.Likely += c.Counts.Likely
	own.Counts.Adapts += c.Counts.Adapts
	own.Counts.Passes += c.Counts.Passes
	own.Counts.Unclear += c.Counts.Unclear
	own.Counts.Exempt += c.Counts.Exempt
	for i := range c.APIs {
		u := &c.APIs[i]
		key := useKey{u.Key, u.Version, u.Reason, u.Certain}
		if sum := own.uses[key]; sum != nil {
			sum.Requests += u.Requests
		} else {
			own.uses[key] = u
		}
	}
	if len(t.rows) > 2*maxTargetClients {
		t.trim()
	}
}

// verdict is the verdict on a row.
func (r *targetRow) verdict() string {
	if r.Role != "" {
		return model.VerdictBrokers
	}
	return r.Counts.Verdict()
}

// trim folds rows until there are as many as there may be: fine ones before those that break.
func (t *targetRows) trim() {
	for _, key := range smallest(t.rows, maxTargetClients, func(a, b *targetRow) int {
		return cmp.Or(slices.Index(model.Verdicts, a.verdict())-slices.Index(model.Verdicts, b.verdict()), cmp.Compare(b.Requests, a.Requests))
	}, compareTargetKeys) {
		if n := t.folded.Of(t.rows[key].verdict()); n != nil {
			*n++
		}
		delete(t.rows, key)
	}
}

func compareTargetKeys(a, b targetKey) int {
	return cmp.Or(
		cmp.Compare(a.name, b.name), cmp.Compare(a.version, b.version), cmp.Compare(a.clientIDs, b.clientIDs),
		cmp.Compare(a.principal, b.principal), cmp.Compare(a.role, b.role),
	)
}

func (t *targetRows) finish() *model.Target {
	t.trim()
	out := t.about
	out.Clients, out.Summary = make([]model.TargetClient, 0, len(t.rows)), t.folded
	if t.folded != (model.TargetSummary{}) {
		folded := t.folded
		out.Folded = &folded
	}
	for _, key := range slices.SortedFunc(maps.Keys(t.rows), compareTargetKeys) {
		r := t.rows[key]
		r.Verdict, r.APIs = r.verdict(), []model.TargetUse{}
		for _, u := range r.uses {
			r.APIs = append(r.APIs, *u)
		}
		slices.SortFunc(r.APIs, model.CompareTargetUses)
		if n := out.Summary.Of(r.Verdict); n != nil {
			*n++
		}
		out.Clients = append(out.Clients, r.TargetClient)
	}
	slices.SortStableFunc(out.Clients, model.CompareTargetClients)
	return &out
}

package merge

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/kafkavet/kafkavet/report/model"
)

// later reports whether a is a later state of a part than b, or a richer analysis of one state:
// with a target, with more requests, with names. It is a total order of reports.
func later(a, b *model.Part) bool {
	return cmp.Or(
		cmp.Compare(a.Packets, b.Packets), model.TrueFirst(b.Target != "", a.Target != ""), cmp.Compare(a.Requests, b.Requests),
		model.TrueFirst(a.Redacted, b.Redacted), cmp.Compare(a.Size, b.Size), cmp.Compare(a.Digest, b.Digest),
	) > 0
}

// plan returns, for each file, the digests of the parts to read from it: each part once, in its
// latest state. The order of the files has no influence. For a block, it has any part of it.
func plan(heads []head) ([]map[string]bool, error) {
	if err := cmp.Or(checkKeys(heads), checkTargets(heads)); err != nil {
		return nil, err
	}
	p := planner{heads, latestStates(heads), map[string]int{}, make([]map[string]bool, len(heads))}
	for i := range heads {
		if h := &heads[i]; h.isBlock() && !p.isInLargerBlock(h) {
			if err := p.takeBlock(i); err != nil {
				return nil, err
			}
		}
	}
	for id, i := range p.singles() {
		if p.from[i] == nil {
			p.from[i] = map[string]bool{}
		}
		p.from[i][p.latest[id].Digest] = true
	}
	return p.from, nil
}

// planner makes the result of plan.
type planner struct {
	heads []head
	// latest is the latest state of each part, by its id. holder is the index of its block.
	latest map[string]model.Part
	holder map[string]int
	from   []map[string]bool
}

// checkTargets returns an error for reports about different targets.
func checkTargets(heads []head) error {
	target, path := "", ""
	for i := range heads {
		for _, p := range heads[i].parts {
			if p.Target != "" && target != "" && p.Target != target {
				return fmt.Errorf("%s is about %s, %s about %s: merge reports with one --target", path, target, heads[i].path, p.Target)
			}
			if p.Target != "" && target == "" {
				target, path = p.Target, heads[i].path
			}
		}
	}
	return nil
}

func latestStates(heads []head) map[string]model.Part {
	latest := map[string]model.Part{}
	for i := range heads {
		for _, p := range heads[i].parts {
			if known, ok := latest[p.ID]; !ok || later(&p, &known) {
				latest[p.ID] = p
			}
		}
	}
	return latest
}

// isInLargerBlock reports whether another block has all parts of h. Of equal blocks, the one with
// the first path counts as larger.
func (p *planner) isInLargerBlock(h *head) bool {
	return slices.ContainsFunc(p.heads, func(o head) bool {
		return o.isBlock() && contains(&o, h) && (len(o.parts) > len(h.parts) || o.path < h.path)
	})
}

// takeBlock plans to read a block. It returns an error if one of its parts must be read from
// another file.
func (p *planner) takeBlock(i int) error {
	h := &p.heads[i]
	p.from[i] = map[string]bool{h.parts[0].Digest: true}
	for _, part := range h.parts {
		if other, ok := p.holder[part.ID]; ok {
			return fmt.Errorf("%s and %s overlap: both hold part %s, and each holds others; merge the reports that they were made of", p.heads[other].path, h.path, part.ID)
		}
		if p.latest[part.ID].Digest != part.Digest {
			return fmt.Errorf("%s holds an earlier state of part %s, which cannot be taken out of it; merge the reports that it was made of", h.path, part.ID)
		}
		p.holder[part.ID] = i
	}
	return nil
}

// singles returns the file from which each part is read that is in no block. Of equal reports it is
// the one with the first names of captures.
func (p *planner) singles() map[string]int {
	single := map[string]int{}
	for i := range p.heads {
		h := &p.heads[i]
		if h.isBlock() {
			continue
		}
		for _, part := range h.parts {
			if _, ok := p.holder[part.ID]; ok || p.latest[part.ID].Digest != part.Digest {
				continue
			}
			if other, ok := single[part.ID]; !ok || h.names(part.ID) < p.heads[other].names(part.ID) {
				single[part.ID] = i
			}
		}
	}
	return single
}

// checkKeys returns an error for two analyses of one capture with different key logs: each may
// have decrypted what the other did not.
func checkKeys(heads []head) error {
	type keyed struct {
		*model.Part
		path string
	}
	first := map[string]keyed{}
	for i := range heads {
		for j := range heads[i].parts {
			p := &heads[i].parts[j]
			if p.Keys == "" {
				continue
			}
			if o, ok := first[p.ID]; !ok {
				first[p.ID] = keyed{p, heads[i].path}
			} else if o.Keys != p.Keys && o.Digest != p.Digest {
				return fmt.Errorf("%s and %s are analyses of one capture with different key logs: analyze it once with all of them", o.path, heads[i].path)
			}
		}
	}
	return nil
}

func contains(a, b *head) bool {
	return !slices.ContainsFunc(b.parts, func(p model.Part) bool { return !a.has(p.ID) })
}

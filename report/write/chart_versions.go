package write

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// maxScaleVersion is the highest version on the scale of a version chart. Fetch reached 18 in
// Kafka 4.1. Higher and negative versions are after the scale under "other".
const maxScaleVersion = 30

// versionChart shows, for each API, the advertised range as a bar and the used versions as marks.
type versionChart struct {
	Numbers []tick
	Rows    []versionRow
	// Whose says whose range the bar is: "the broker advertises" or "the target accepts".
	Whose string
}

type versionRow struct {
	ID, API string
	// Advertised is the range as text, Used the used versions as text.
	Advertised, Used string
	Outside          bool
	// Common is the range that all brokers support. Widest is the range that any of them supports;
	// nil if it equals Common.
	Common, Widest *bar
	Marks          []versionMark
	// Title and Description describe the picture for readers who do not see it.
	Title, Description string
}

type bar struct{ X, Width string }

type versionMark struct {
	X string
	// Kind is "inside", "outside" or "unchecked". A version is "outside" if some of its requests
	// were outside, for example on another broker.
	Kind string
	// Label is the version, for marks with a label. Anchor is its alignment.
	Label, Anchor string
	Title         string
}

// scale gives each version from 0 to top a slot. All other versions share one more slot.
type scale struct {
	top    int16
	others bool
}

func (s scale) slots() float64 {
	if s.others {
		return float64(s.top) + 2
	}
	return float64(s.top) + 1
}

// x returns the middle of a version's slot in percent.
func (s scale) x(version int16) float64 {
	slot := float64(version)
	if version < 0 || version > s.top {
		slot = float64(s.top) + 1
	}
	return (slot + 0.5) / s.slots() * 100
}

// bar returns the bar of a range; nil if the range has no version on the scale.
func (s scale) bar(r *model.Range) *bar {
	if r == nil || r.Min > r.Max || r.Max < 0 || r.Min > s.top {
		return nil
	}
	from, to := float64(max(r.Min, 0)), float64(min(r.Max, s.top))+1
	return &bar{percent(from / s.slots() * 100), percent((to - from) / s.slots() * 100)}
}

func (s scale) numbers() []tick {
	out := make([]tick, 0, s.top+2)
	for v := int16(0); v <= s.top; v++ {
		minor := s.top > 9 && v%2 == 1 || s.top > 20 && v%5 != 0 || s.others && v >= s.top-1
		out = append(out, tick{percent(s.x(v)), fmt.Sprint(v), "middle", minor})
	}
	if s.others {
		out = append(out, tick{percent(s.x(-1)), "other", "middle", false})
	}
	return out
}

// percent formats a position with two decimals: 0.01 percent is less than a pixel on any screen.
func percent(x float64) string { return fmt.Sprintf("%.2f", x) }

// include extends the scale to a used version, includeRange to an advertised range.
func (s *scale) include(version int16) {
	if version < 0 || version > maxScaleVersion {
		s.others = true
		return
	}
	s.top = max(s.top, version)
}

func (s *scale) includeRange(r *model.Range) {
	if r != nil {
		s.top = max(s.top, min(r.Max, maxScaleVersion))
	}
}

func clientChart(apis []model.Usage, brokers []string, ranges *brokerRanges, id string) *versionChart {
	if len(apis) == 0 {
		return nil
	}
	s := scale{top: 1}
	found := make([]clientRange, len(apis))
	for i := range apis {
		found[i] = ranges.of(brokers, apis[i].Key)
		s.includeRange(found[i].Widest)
		for _, v := range apis[i].Versions {
			s.include(v.Version)
		}
	}
	chart := &versionChart{Numbers: s.numbers()}
	for i := range apis {
		chart.Rows = append(chart.Rows, newVersionRow(s, &apis[i], found[i], fmt.Sprintf("%s-%d", id, apis[i].Key)))
	}
	return chart
}

// findingChart returns the chart of the API and version of a finding. It is nil if the finding is
// about connections or has no range.
func findingChart(f *model.Finding, id string) *versionChart {
	advertised, whose := f.Advertised, "the broker advertises"
	if f.IsOnTarget() {
		advertised, whose = f.Target, "the target accepts"
	}
	if f.APIKey == nil || f.Version == nil || advertised == nil {
		return nil
	}
	use := model.VersionUsage{Version: *f.Version, Requests: f.Count}
	if *f.Version < advertised.Min || *f.Version > advertised.Max {
		use.Outside = f.Count
	}
	usage := model.Usage{Key: *f.APIKey, Name: f.API, Versions: []model.VersionUsage{use}}
	s := scale{top: 1}
	s.includeRange(advertised)
	s.include(*f.Version)
	row := newVersionRow(s, &usage, clientRange{Known: true, Common: advertised, Widest: advertised}, id+"-v")
	if f.IsOnTarget() {
		row.Title = fmt.Sprintf("%s: the target accepts %s", f.API, advertised.Text())
	}
	return &versionChart{Numbers: s.numbers(), Rows: []versionRow{row}, Whose: whose}
}

func newVersionRow(s scale, u *model.Usage, advertised clientRange, id string) versionRow {
	row := versionRow{
		ID: id, API: u.Name, Advertised: advertised.text(), Used: versionsText(u), Common: s.bar(advertised.Common),
	}
	if advertised.Widest != nil && (advertised.Common == nil || *advertised.Common != *advertised.Widest) {
		row.Widest = s.bar(advertised.Widest)
	}
	labelled := -100.0
	for i := range u.Versions {
		mark := newVersionMark(s, &u.Versions[i])
		if mark.Kind == "outside" {
			row.Outside = true
			if x := s.x(u.Versions[i].Version); x-labelled >= minLabelDistance {
				mark.Label, labelled = fmt.Sprintf("v%d", u.Versions[i].Version), x
				mark.Anchor = anchor(x, mark.Label)
			}
		}
		row.Marks = append(row.Marks, mark)
	}
	row.Title = u.Name + ": advertised " + strings.TrimPrefix(row.Advertised, "advertised ")
	if row.Outside {
		row.Title += ", requests outside"
	}
	row.Description = "Versions used: " + row.Used + "."
	return row
}

// minLabelDistance is how close labels may be without overlap, in percent of the width.
const minLabelDistance = 7

func newVersionMark(s scale, v *model.VersionUsage) versionMark {
	mark := versionMark{X: percent(s.x(v.Version)), Kind: "inside", Title: fmt.Sprintf("v%d: %s%s", v.Version, words.Plural(v.Requests, "request"), versionRemark(v))}
	switch {
	case v.Outside > 0:
		mark.Kind = "outside"
	case v.Unchecked > 0 && v.Unchecked == v.Requests:
		mark.Kind = "unchecked"
	}
	return mark
}

// anchor aligns a label at x, in percent of the width, so that it stays in the picture. On a
// narrow screen a character takes some two percent.
func anchor(x float64, label string) string {
	half := float64(utf8.RuneCountInString(label))
	switch {
	case x < half:
		return "start"
	case x > 100-half:
		return "end"
	}
	return "middle"
}

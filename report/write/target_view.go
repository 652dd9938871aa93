package write

import (
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

type targetView struct {
	Headline string
	Rows     []targetRow
	// More counts the clients that are not shown.
	More    uint64
	Remarks []phrase
}

// targetRow is a client. Class is the CSS class of its verdict.
type targetRow struct {
	Verdict, Class string
	Client         phrase
	Says           string
}

// targetClasses are the severities whose style a verdict has.
var targetClasses = map[string]string{
	model.VerdictBreaks: "error", model.VerdictLikely: "warning", model.VerdictUnclear: "info", model.VerdictFine: "good", model.VerdictBrokers: "info",
}

func newTargetView(r *model.Report) *targetView {
	g := r.Target
	if g == nil {
		return nil
	}
	v := &targetView{Headline: "On " + targetTitle(g) + ": " + targetHeadline(g), Remarks: targetRemarks(g, r)}
	for i := range g.Clients {
		if i == maxHTMLTargetRows {
			v.More = uint64(len(g.Clients) - i)
			break
		}
		c := &g.Clients[i]
		v.Rows = append(v.Rows, targetRow{targetVerdicts[c.Verdict], targetClasses[c.Verdict], targetClientPhrase(c), words.UpperFirst(targetSays(c, 2*maxTargetAPIs))})
	}
	return v
}

package write

import "github.com/kafkavet/kafkavet/report/model"

type targetView struct {
	Headline string
	Rows     []model.TargetClient
	// More counts the clients that are not shown.
	More    uint64
	Remarks []phrase
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
	rows := min(len(g.Clients), maxHTMLRows)
	return &targetView{
		Headline: "On " + targetTitle(g) + ": " + targetHeadline(g), Rows: g.Clients[:rows],
		More: uint64(len(g.Clients) - rows), Remarks: targetRemarks(g, r),
	}
}

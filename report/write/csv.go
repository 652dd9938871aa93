package write

import (
	"bytes"
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
)

var csvHeader = []string{
	"code", "title", "severity", "api", "version", "min", "max", "evidence", "client_software", "client_version", "client_id", "client_addresses",
	"broker", "count", "first_frame", "first_stream", "first_time", "known_issue", "fixed_in", "accepted", "message", "advice",
	"known_issue_match", "evidence_file", "evidence_frame", "evidence_stream",
	"client_processes", "client_principals", "capture",
}

// CSV writes the findings of r as comma-separated values with a header line (RFC 4180). With a
// target it writes its clients. A cell that a spreadsheet would calculate begins with an
// apostrophe.
func CSV(w io.Writer, r *model.Report) error {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	out.UseCRLF = true
	var rows [][]string
	if r.Target != nil {
		rows = targetRows(r.Target)
	} else {
		rows = append(rows, csvHeader)
		for i := range r.Findings {
			rows = append(rows, csvRow(r, &r.Findings[i]))
		}
	}
	for _, row := range rows {
		for j := range row {
			row[j] = asCell(escapeLong(row[j]))
		}
		_ = out.Write(row) // writing to a buffer does not fail
	}
	out.Flush()
	_, err := w.Write(b.Bytes())
	return err
}

func csvRow(r *model.Report, f *model.Finding) []string {
	var version, lowest, highest, frame, stream, at, proof, proofFrame, proofStream, file string
	if f.Version != nil {
		version = strconv.Itoa(int(*f.Version))
	}
	if a := f.Advertised; a != nil {
		lowest, highest = strconv.Itoa(int(a.Min)), strconv.Itoa(int(a.Max))
	}
	if len(f.Occurrences) > 0 {
		o := &f.Occurrences[0]
		frame, stream, at = strconv.FormatUint(o.Frame, 10), strconv.FormatUint(uint64(o.Stream), 10), o.Time.String()
		if int(o.Capture) < len(r.Captures) {
			file = r.Captures[o.Capture].Path
		}
		if e := o.InEvidence; e != nil && r.Evidence != nil {
			proof, proofFrame, proofStream = r.Evidence.Path, strconv.FormatUint(e.Frame, 10), strconv.FormatUint(uint64(e.Stream), 10)
		}
	}
	c, k := value(f.Client), value(f.KnownIssue)
	return []string{
		f.Code, f.Title, f.Severity.String(), f.API, version, lowest, highest, f.Evidence, c.SoftwareName, c.SoftwareVersion, value(c.ClientID),
		strings.Join(c.Addresses, " "), f.Broker, strconv.FormatUint(f.Count, 10), frame, stream, at, k.ID, k.FixedIn, strconv.FormatBool(f.Accepted),
		f.Message, remedy(f), matchWords(&k), proof, proofFrame, proofStream, strings.Join(processTexts(c.Processes), "; "),
		strings.Join(c.Principals, " "), file,
	}
}

// asCell protects a cell that a spreadsheet would read as a formula, also one that it would split
// at ";". Negative numbers stay.
func asCell(text string) string {
	if _, err := strconv.Atoi(text); err == nil {
		return text
	}
	var b strings.Builder
	for cell := range cells(text, ";") {
		if isFormula(strings.TrimLeft(cell, `"`)) {
			b.WriteByte('\'')
		}
		b.WriteString(cell)
	}
	return b.String()
}

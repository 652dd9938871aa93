package write

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
)

// BundledEvidence is the name of the evidence in a bundle.
const BundledEvidence = "evidence.pcapng"

// bundled are the other files of a bundle, in reading order.
var bundled = []struct {
	name, what string
	write      func(io.Writer, *model.Report) error
}{
	{"report.md", "the report, to paste into a ticket", Markdown},
	{"report.html", "the same for a browser; it loads nothing from the network", HTML},
	{"report.json", "the same for programs", JSON},
}

// Bundle writes a zip archive with a report, its evidence and a note, ready to attach to a ticket.
// evidence is the pcapng file; without packets it is left out. r.Evidence must name it
// BundledEvidence. ofTLS describes the TLS connections in it; empty for none. Equal reports give
// equal bytes, because all files have the time of the last packet.
func Bundle(w io.Writer, r *model.Report, evidence []byte, ofTLS string) error {
	z := zip.NewWriter(w)
	at := time.Unix(0, 0)
	if _, last := model.InputSpan(r.Captures); last != nil {
		at = last.UTC()
	}
	add := func(name string, write func(io.Writer, *model.Report) error) error {
		entry, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at})
		if err != nil {
			return err
		}
		return write(entry, r)
	}
	err := add("README.txt", func(entry io.Writer, _ *model.Report) error { return bundleNote(entry, r, ofTLS) })
	for _, f := range bundled {
		err = errors.Join(err, add(f.name, f.write))
	}
	if r.Evidence.Packets > 0 {
		err = errors.Join(err, add(BundledEvidence, func(entry io.Writer, _ *model.Report) error {
			_, err := entry.Write(evidence)
			return err
		}))
	}
	return errors.Join(err, z.Close())
}

// bundleNote writes the list of the files and how to read them.
func bundleNote(w io.Writer, r *model.Report, ofTLS string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", escapeLong(headline(r)))
	for _, f := range bundled {
		fmt.Fprintf(&b, "%-16s %s\n", f.name, f.what)
	}
	e := r.Evidence
	if e.Packets == 0 {
		fmt.Fprintf(&b, "\nThe bundle holds %s. The capture is not here.\n", evidenceCount(r))
	} else {
		what := "the packets that prove it"
		if e.Redacted && ofTLS != "" {
			what = "the packets of the findings"
		}
		fmt.Fprintf(&b, "%-16s %s, with comments: %s\n", e.Path, what, evidenceCount(r))
		b.WriteString("\nTo look at it with kafkavet (go install github.com/kafkavet/kafkavet@latest, or a package of its releases at\n" +
			"https://github.com/kafkavet/kafkavet) and with tshark:\n")
		for _, step := range reproduce(r) {
			fmt.Fprintf(&b, "\n  %s:\n    %s\n", step.What, step.Command)
		}
		fmt.Fprintf(&b, "\n%s\nThe report has the frames of the evidence beside those of the original capture, which is not here.\n",
			strings.ReplaceAll(textPhrase(reproduceRemark(r)), ". ", ".\n"))
	}
	b.WriteString(bundleSecrets(e, ofTLS))
	fmt.Fprintf(&b, "\nMade by %s.\n", Escape(strings.TrimSpace(r.Tool.Name+" "+r.Tool.Version)))
	_, err := io.WriteString(w, b.String())
	return err
}

// bundleSecrets says what the files of a bundle do not hold, and what is special about TLS.
func bundleSecrets(e *model.EvidenceFile, ofTLS string) string {
	secrets := "Record values, SASL tokens and keys are not in these files.\n"
	switch {
	case ofTLS == "":
	case e.Redacted:
		secrets += ofTLS + ".\nInstead, the analysis of them shows TLS without a key (KV9001), and what lengths and times suggest (KV2020).\n"
	default:
		secrets = "Keys are not in these files. Outside TLS, neither are record values and SASL tokens.\n" + ofTLS + ".\n"
	}
	if e.Redacted {
		return secrets + "Names and addresses are replaced with pseudonyms. They are the same in all files.\n"
	}
	return secrets + "Names and addresses are as captured. kafkavet analyze --redact replaces them.\n"
}

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/redact"
)

// redactFlags are the flags that say whether names and addresses are replaced.
type redactFlags struct {
	redact bool
	key    string
}

func (r *redactFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&r.redact, "redact", false, "replace addresses, host names, client ids and file names by pseudonyms, and keep no value in --evidence that proves nothing")
	f.StringVar(&r.key, "redact-key", "", "make the pseudonyms from this `text`, so that they are the same in every report; keep it to yourself")
}

// pseudonyms are those asked for, nil for none.
func (r *redactFlags) pseudonyms() (*redact.Pseudonyms, error) {
	switch {
	case r.redact:
		return redact.NewPseudonyms(r.key), nil
	case r.key != "":
		return nil, errors.New("--redact-key: has no effect without --redact")
	}
	return nil, nil
}

// evidenceFlags are the flags that say what becomes of the packets that prove findings.
type evidenceFlags struct {
	path        string
	occurrences uint
}

func (e *evidenceFlags) register(f *pflag.FlagSet) {
	f.StringVar(&e.path, "evidence", "", "write the packets that prove the findings to `file` (pcapng), with comments for Wireshark and without records, tokens and secrets")
	f.UintVar(&e.occurrences, "evidence-occurrences", 3, "how `many` occurrences of each finding --evidence holds")
}

// maxOccurrences bounds --evidence-occurrences: a capture of more is the capture itself.
const maxOccurrences = 1000

// evidenceOutput is a file of evidence in the making.
type evidenceOutput struct {
	*evidence.Collector
	out      *output
	redacted bool
}

// open begins to gather evidence as the flags say; it is nil where none is asked for. It fails
// when the file cannot be written.
func (e *evidenceFlags) open(p *pipeline, names *redact.Pseudonyms) (*evidenceOutput, error) {
	if e.path == "" {
		return nil, nil
	}
	if e.occurrences < 1 || e.occurrences > maxOccurrences {
		return nil, fmt.Errorf("--evidence-occurrences %d: must be from 1 to %d", e.occurrences, maxOccurrences)
	}
	if e.path == "-" {
		return nil, errors.New("--evidence -: must be a file; standard output is the report's")
	}
	out, err := openOutput(e.path, nil)
	if err != nil {
		return nil, err
	}
	ev := evidence.New(evidence.Options{
		Occurrences: int(e.occurrences), Dissector: p.dissecting, Pseudonyms: names,
		Tool: model.Tool{Name: "kafkavet", Version: toolVersion()},
	})
	p.tap = ev.Tap
	return &evidenceOutput{ev, out, names != nil}, nil
}

// gathered is what the report builder is given, nil for no evidence.
func (e *evidenceOutput) gathered() *evidence.Collector {
	if e == nil {
		return nil
	}
	return e.Collector
}

// write writes the file and makes it appear, and tells what could not be proven.
func (e *evidenceOutput) write(b *report.Builder, src capture.Source, p *pipeline) error {
	if e == nil {
		return nil
	}
	sum, err := b.WriteEvidence(e.out.w, src.Captures())
	if err != nil {
		return fmt.Errorf("write %s: %w", e.out.name, err)
	}
	if err := e.out.commit(); err != nil {
		return err
	}
	if sum.Omitted > 0 || sum.Unproven > 0 {
		p.warn(fmt.Errorf("%s: %d findings are without packets, and %d occurrences were passed over because their packets were not kept",
			e.out.name, sum.Unproven, sum.Omitted))
	}
	if sum.Encrypted > 0 {
		p.warn(fmt.Errorf("%s: TLS on %d of %d connections: %s",
			e.out.name, sum.Encrypted, sum.Connections, sum.OfEncrypted(e.redacted)))
	}
	if p.flags.verbose {
		p.s.complain("wrote %s: %d packets of %d connections for %d findings", e.out.name, sum.Packets, sum.Connections, sum.Findings)
	}
	return nil
}

// abandon removes the file if it was not committed.
func (e *evidenceOutput) abandon() {
	if e != nil {
		e.out.abandon()
	}
}

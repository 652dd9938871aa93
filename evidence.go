package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
	"github.com/kafkavet/kafkavet/report/write"
)

type evidenceOptions struct {
	path, bundle string
	occurrences  uint
	flags        *pflag.FlagSet
}

func (o *evidenceOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	o.flags = f
	f.StringVar(&o.path, "evidence", "", "write the packets that prove the findings to `FILE` (pcapng; .gz and .zst are compressed), with comments for Wireshark and without records, tokens and secrets")
	f.StringVar(&o.bundle, "bundle", "", "write `FILE` (zip) with the report, the evidence and a note, to attach to a ticket")
	f.UintVar(&o.occurrences, "evidence-occurrences", 3, "keep `N` occurrences of each finding as evidence")
}

func (o *evidenceOptions) isWanted() bool { return o.path != "" || o.bundle != "" }

// maxOccurrences bounds --evidence-occurrences. More would be most of the capture.
const maxOccurrences = 1000

func (o *evidenceOptions) resolve() error {
	switch {
	case !o.isWanted() && o.flags.Changed("evidence-occurrences"):
		return errors.New("--evidence-occurrences: has no effect without --evidence or --bundle")
	case !o.isWanted():
		return nil
	case o.occurrences < 1 || o.occurrences > maxOccurrences:
		return fmt.Errorf("--evidence-occurrences %d: must be from 1 to %d", o.occurrences, maxOccurrences)
	case o.path == "-":
		return errors.New("--evidence -: must be a file; standard output is the report's")
	case o.bundle == "-":
		return errors.New("--bundle -: must be a file; standard output is the report's")
	}
	return nil
}

// writeEvidence writes the evidence and the bundle. It adds the positions in the evidence to the
// report, warns about missing proofs, and prints errors.
func (f *results) writeEvidence(rep *model.Report) (isWritten bool) {
	if f.evidence == nil {
		return true
	}
	// The evidence has at most 16 MiB of packets (evidence.Collector). It is built in memory,
	// because the report in the bundle names its packets.
	var packets bytes.Buffer
	sum, err := f.WriteEvidence(&packets, f.j.pipeline.src.Captures())
	if err != nil {
		f.complain("%v", err)
		return false
	}
	f.locate(rep, &sum)
	isWritten = f.keepEvidence(packets.Bytes()) && f.writeBundle(rep, packets.Bytes(), sum.OfEncrypted(f.j.names != nil))
	f.explainEvidence(&sum, rep.Evidence.Path)
	return isWritten
}

// locate adds the positions of the occurrences in the evidence to the report.
func (f *results) locate(rep *model.Report, sum *evidence.Summary) {
	opt := &f.opt.evidence
	file := &model.EvidenceFile{
		Path: opt.path, Packets: uint64(sum.Packets), Connections: uint64(sum.Connections), Redacted: f.j.names != nil,
	}
	if file.Redacted { // its directory can contain names
		file.Path = filepath.Base(file.Path)
	}
	if opt.path == "" {
		file.Path, file.Bundle = write.BundledEvidence, filepath.Base(opt.bundle)
	}
	rep.Evidence = file
	for i := range rep.Findings {
		for j := range rep.Findings[i].Occurrences {
			o := &rep.Findings[i].Occurrences[j]
			if frame, stream, ok := sum.Find(o.Capture, o.Frame); ok {
				o.InEvidence = &model.EvidencePlace{Frame: frame, Stream: stream}
			}
		}
	}
}

func (f *results) keepEvidence(packets []byte) (isWritten bool) {
	return f.writeTo(f.proof, func(w io.Writer) error {
		to, err := capture.Compressor(w, f.proof.name)
		if err == nil {
			_, err = to.Write(packets)
			err = errors.Join(err, to.Close())
		}
		return err
	})
}

// writeBundle writes the file of --bundle. Its report names the evidence in the bundle. ofTLS
// describes the TLS connections in packets.
func (f *results) writeBundle(rep *model.Report, packets []byte, ofTLS string) (isWritten bool) {
	inside, file := *rep, *rep.Evidence
	file.Path, file.Bundle = write.BundledEvidence, ""
	inside.Evidence = &file
	return f.writeTo(f.bundle, func(w io.Writer) error { return write.Bundle(w, &inside, packets, ofTLS) })
}

// writeTo writes and finishes a file, and prints errors. out is nil without its flag.
func (f *results) writeTo(out *output, write func(io.Writer) error) (isWritten bool) {
	if out == nil {
		return true
	}
	err := out.finish(write(out.w))
	if err != nil {
		f.complain("%v", err)
	}
	return err == nil
}

func (f *results) explainEvidence(sum *evidence.Summary, path string) {
	if sum.Omitted > 0 || sum.Unproven > 0 {
		f.warn(fmt.Errorf("%s: %s without packets, %s without packets that were still kept",
			path, words.Plural(uint64(sum.Unproven), "finding"), words.Plural(sum.Omitted, "occurrence")))
	}
	if of := sum.OfEncrypted(f.j.names != nil); of != "" {
		f.warn(fmt.Errorf("%s: %s", path, of))
	}
	if f.opt.traffic.verbose {
		f.complain("wrote %s: %s of %s for %s", path, words.Plural(uint64(sum.Packets), "packet"),
			words.Plural(uint64(sum.Connections), "connection"), words.Plural(uint64(sum.Findings), "finding"))
	}
}

package write

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// How a reader reproduces the results: Wireshark display filters, and commands for kafkavet and
// tshark. They were tried with tshark 4.0. All field names exist in Wireshark since 3.0.

type instruction struct {
	// What says what the command shows.
	What    string
	Command string
}

// wiresharkKafkaPort is the port that Wireshark treats as Kafka by default (packet-kafka.c,
// TCP_DEFAULT_RANGE). Others need -d.
const wiresharkKafkaPort = 9092

const (
	// maxFilterStreams is how many connections a display filter names. A filter names all frames,
	// because a finding has at most ten occurrences.
	maxFilterStreams = 5
	// maxDecodePorts is how many ports are declared as Kafka.
	maxDecodePorts = 4
	// maxReproduceFiles is how many captures a command names.
	maxReproduceFiles = 5
	// maxArgument bounds a file name in a command, in bytes after quoting.
	maxArgument = 200
)

// hasOwnStream reports whether Wireshark shows the same tcp.stream for an occurrence. In later
// captures of several, Wireshark's numbers start again at 0.
func hasOwnStream(o *model.Occurrence) bool { return o.Capture == 0 }

// occurrenceFilter returns a display filter that finds o in Wireshark.
func occurrenceFilter(o *model.Occurrence) string {
	if o.CorrelationID == nil || !hasOwnStream(o) {
		return fmt.Sprintf("frame.number == %d", o.Frame)
	}
	return fmt.Sprintf("tcp.stream eq %d && kafka.correlation_id == %d", o.Stream, *o.CorrelationID)
}

// filterHint describes the settings that Wireshark needs for the filters of a finding. It is in
// parentheses after a space; empty for none.
func filterHint(r *model.Report, f *model.Finding) string {
	asks := func(o model.Occurrence) bool { return o.CorrelationID != nil && hasOwnStream(&o) }
	port, ok := portOf(f.Broker)
	if !ok || !slices.ContainsFunc(f.Occurrences, asks) {
		return ""
	}
	inTLS := slices.ContainsFunc(r.Brokers, func(b model.Broker) bool { return b.TLS && b.Address == f.Broker })
	switch {
	case inTLS:
		return fmt.Sprintf(" (they need the key log, and in Decode As: TLS port %d is Kafka)", port)
	case port != wiresharkKafkaPort:
		return fmt.Sprintf(" (they need Decode As: TCP port %d is Kafka)", port)
	}
	return ""
}

func portOf(address string) (port uint64, ok bool) {
	port, err := strconv.ParseUint(address[strings.LastIndexByte(address, ':')+1:], 10, 16)
	return port, err == nil
}

// framesFilter returns a display filter for the packets of the occurrences in the capture of the
// first one.
func framesFilter(occurrences []model.Occurrence) string {
	var numbers []uint64
	for i := range occurrences {
		if o := &occurrences[i]; o.Capture == occurrences[0].Capture {
			numbers = append(numbers, o.Frame)
		}
	}
	return alternatives("frame.number", numbers)
}

// streamsFilter returns a display filter for the first occurrences' connections, or "" if it shows
// others.
func streamsFilter(occurrences []model.Occurrence) string {
	var numbers []uint64
	for i := range occurrences {
		if o := &occurrences[i]; hasOwnStream(o) && len(numbers) < maxFilterStreams {
			numbers = append(numbers, uint64(o.Stream))
		}
	}
	return alternatives("tcp.stream", numbers)
}

// inEvidence returns the places of the occurrences of a finding in the evidence, and a display
// filter for them. Both are empty for none. The filter uses frames: the evidence has only parts of
// a long connection, and Wireshark may lose the messages between them.
func inEvidence(r *model.Report, f *model.Finding) (where phrase, filter string) {
	var frames, streams []uint64
	for i := range f.Occurrences {
		if at := f.Occurrences[i].InEvidence; at != nil {
			frames, streams = append(frames, at.Frame), append(streams, uint64(at.Stream))
		}
	}
	if r.Evidence == nil || len(frames) == 0 {
		return nil, ""
	}
	slices.Sort(streams)
	streams = slices.Compact(streams)
	return say(numbered("frame", frames)+", "+numbered("stream", streams)+" of ", verbatim(r.Evidence.Path)), alternatives("frame.number", frames)
}

// numbered returns a noun with numbers: "frames 22, 35 and 48".
func numbered(noun string, numbers []uint64) string {
	var texts []string
	for _, n := range numbers {
		texts = append(texts, fmt.Sprint(n))
	}
	return words.Noun(uint64(len(numbers)), noun) + " " + words.List(texts)
}

// evidencePlace returns an occurrence's frame in the evidence: "22 (stream 0)"; empty for none.
func evidencePlace(o *model.Occurrence) string {
	if o.InEvidence == nil {
		return ""
	}
	return fmt.Sprintf("%d (stream %d)", o.InEvidence.Frame, o.InEvidence.Stream)
}

// evidencePhrase names the file with the evidence; nil for none.
func evidencePhrase(r *model.Report) phrase {
	e := r.Evidence
	if e == nil {
		return nil
	}
	text := evidenceCount(r)
	switch {
	case e.Packets == 0:
		return say("Evidence: " + text)
	case e.Redacted:
		text += ", with the pseudonyms of this report"
	}
	name := say(verbatim(e.Path))
	if e.Bundle != "" {
		name = say(name, " in ", verbatim(e.Bundle))
	}
	return say("Evidence: ", name, ": "+text)
}

// evidenceCount counts the contents of the evidence, and says why it is empty.
func evidenceCount(r *model.Report) string {
	switch e := r.Evidence; {
	case e.Packets > 0:
		return words.Plural(e.Packets, "packet") + " of " + words.Plural(e.Connections, "connection")
	case len(r.Findings) == 0:
		return "no packets, because nothing was found"
	}
	return "no packets, because those of the findings were not kept"
}

// allPackets describes the packets of the display filter for the occurrences of a finding.
func allPackets(r *model.Report, f *model.Finding) phrase {
	listed := uint64(len(f.Occurrences))
	switch {
	case len(r.Captures) > 1:
		return say("Those in ", captureName(r, f.Occurrences[0].Capture))
	case listed < f.Count:
		return say(fmt.Sprintf("The first %s of these %s packets", words.Number(listed), words.Number(f.Count)) + inOriginal(r))
	}
	return say("All of these packets" + inOriginal(r))
}

// reportForCommands returns the report as the commands to reproduce it need it. If there is
// evidence, it describes the evidence, because the reader of the report has that file.
func reportForCommands(r *model.Report) *model.Report {
	if r.Evidence == nil || r.Evidence.Packets == 0 {
		return r
	}
	hand := *r
	hand.Captures = []model.Capture{{Path: r.Evidence.Path, Packets: r.Evidence.Packets}}
	hand.Findings, hand.Brokers = nil, slices.Clone(r.Brokers)
	closed := map[string]bool{} // brokers whose TLS data is not in the evidence
	for i := range hand.Brokers {
		b := &hand.Brokers[i]
		closed[b.Address] = b.TLS && r.Evidence.Redacted
		b.TLS = b.TLS && !r.Evidence.Redacted
	}
	for _, f := range r.Findings {
		list := f.Occurrences
		f.Occurrences = nil
		for _, o := range list {
			if o.InEvidence != nil {
				o.Capture, o.Frame, o.Stream = 0, o.InEvidence.Frame, o.InEvidence.Stream
				f.Occurrences = append(f.Occurrences, o)
			}
		}
		if closed[f.Broker] {
			f.APIKey = nil
		}
		if len(f.Occurrences) > 0 {
			hand.Findings = append(hand.Findings, f)
		}
	}
	return &hand
}

// alternatives returns a display filter for any of some values of a field.
func alternatives(field string, values []uint64) string {
	slices.Sort(values)
	values = slices.Compact(values)
	parts := make([]string, 0, len(values))
	for _, v := range values {
		parts = append(parts, fmt.Sprintf("%s == %d", field, v))
	}
	return strings.Join(parts, " || ")
}

func reproduce(r *model.Report) []instruction {
	r = reportForCommands(r)
	steps := []instruction{
		{"The whole analysis", "kafkavet analyze" + rangeFlags(r, true) + kafkavetFiles(r)},
		{"Every request, one a line", "kafkavet requests" + rangeFlags(r, false) + kafkavetFiles(r)},
	}
	if f := firstWithRequest(r); f != nil {
		return append(steps, reproduceRequest(r, f)...)
	}
	for i := range r.Findings {
		if streams := streamsFilter(r.Findings[i].Occurrences); streams != "" {
			return append(steps, instruction{"These connections", tshark(r, 0, fmt.Sprintf("-Y '%s'", streams))})
		}
	}
	if r.Summary.Requests > 0 {
		return append(steps, instruction{"All Kafka messages", tshark(r, 0, "-Y kafka")})
	}
	return append(steps, instruction{"All TCP connections", tshark(r, 0, "-q -z conv,tcp")})
}

// rangeFlags returns --target, if wanted, and --advertised as the user gave them.
func rangeFlags(r *model.Report, withTarget bool) string {
	flags := ""
	if t := r.Target; t != nil && withTarget {
		flags += " --target " + referenceArgument(t.Release, t.File)
	}
	if s := r.Supplied; s != nil {
		flags += " --advertised " + referenceArgument(s.Release, s.File)
	}
	return flags
}

// referenceArgument returns a release or a file as a word of a POSIX shell.
func referenceArgument(release, file string) string {
	if release != "" {
		return release
	}
	return pathArgument(file, "RANGES")
}

// reproduceRequest shows the advertised range, the sent request and the outcome.
func reproduceRequest(r *model.Report, f *model.Finding) []instruction {
	var steps []instruction
	capture := f.Occurrences[0].Capture
	switch {
	case f.Advertised != nil:
		steps = append(steps, instruction{"What the broker advertised for " + f.API, tshark(r, capture,
			fmt.Sprintf("-O kafka -Y 'kafka.api_versions.api_key == %d' | grep -A 2 'API Key: .* (%d)$'", *f.APIKey, *f.APIKey))})
	case f.Code == model.CodeNotAdvertised:
		steps = append(steps, instruction{"What the broker advertised, without " + f.API, tshark(r, capture,
			"-O kafka -Y kafka.api_versions.api_key | grep 'API Version '")})
	}
	steps = append(steps, instruction{"What was sent", tshark(r, capture,
		fmt.Sprintf("-Y 'kafka.api_key == %d && kafka.api_version == %d' -T fields -E header=y -e frame.number -e tcp.stream -e kafka.correlation_id -e kafka.client_id", *f.APIKey, *f.Version))})
	if streams := streamsFilter(f.Occurrences); streams != "" {
		steps = append(steps, instruction{"How these connections ended", tshark(r, capture,
			fmt.Sprintf("-Y '(%s) && (tcp.flags.fin == 1 || tcp.flags.reset == 1)'", streams))})
	}
	return steps
}

// reproduceRemark describes the limits of the commands; nil for none.
func reproduceRemark(r *model.Report) phrase {
	var remarks []phrase
	if hand := reportForCommands(r); hand != r {
		remarks = append(remarks, say("The commands read ", verbatim(r.Evidence.Path), ", which holds the packets of the first occurrences."))
		r = hand
	}
	if usesPlaceholder(r) {
		remarks = append(remarks, say(verbatim(placeholder), " stands for the capture file."))
	}
	if usesKeys(r) {
		remarks = append(remarks, say(verbatim(keysPlaceholder), " stands for the TLS key log, which is not part of the report."))
	}
	if t := r.Target; t != nil && t.Release == "" {
		remarks = append(remarks, say(verbatim(referenceArgument("", t.File)), " is the file with the ranges of the target, which is not part of the report."))
	}
	if s := r.Supplied; s != nil && s.Release == "" {
		remarks = append(remarks, say(verbatim(referenceArgument("", s.File)), " is the file with the advertised ranges, which is not part of the report."))
	}
	if len(r.Captures) > 1 {
		remarks = append(remarks, say("Frame numbers count within one capture; stream numbers run on from one capture to the next."))
	}
	return join(remarks, " ")
}

// usesKeys reports whether TLS was decrypted.
func usesKeys(r *model.Report) bool {
	return r.Summary.KafkaStreams > 0 && slices.ContainsFunc(r.Brokers, func(b model.Broker) bool { return b.TLS })
}

func firstWithRequest(r *model.Report) *model.Finding {
	for i := range r.Findings {
		if f := &r.Findings[i]; f.APIKey != nil && f.Version != nil && len(f.Occurrences) > 0 {
			return f
		}
	}
	return nil
}

func tshark(r *model.Report, capture uint32, arguments string) string {
	file := placeholder
	if int(capture) < len(r.Captures) {
		file = fileArgument(&r.Captures[capture])
	}
	return "tshark -r " + file + decodeAs(r) + " " + arguments
}

// decodeAs returns arguments that declare ports as Kafka to Wireshark, in plaintext or inside TLS.
func decodeAs(r *model.Report) string {
	inTLS := map[int]bool{}
	var ports []int
	for i := range r.Brokers {
		port, ok := portOf(r.Brokers[i].Address)
		if ok && (port != wiresharkKafkaPort || r.Brokers[i].TLS) {
			ports = append(ports, int(port))
			inTLS[int(port)] = r.Brokers[i].TLS
		}
	}
	slices.Sort(ports)
	ports = slices.Compact(ports)
	arguments := ""
	for _, port := range ports[:min(len(ports), maxDecodePorts)] {
		if inTLS[port] {
			arguments += fmt.Sprintf(" -d tcp.port==%d,tls -d tls.port==%d,kafka", port, port)
		} else {
			arguments += fmt.Sprintf(" -d tcp.port==%d,kafka", port)
		}
	}
	if usesKeys(r) {
		arguments += " -o tls.keylog_file:" + keysPlaceholder
	}
	return arguments
}

// keysPlaceholder replaces the TLS key log in commands. The report does not contain its name.
const keysPlaceholder = "KEYS"

// placeholder replaces a capture without a file name in commands.
const placeholder = "CAPTURE"

// usesPlaceholder reports whether a capture has no name that a shell can open.
func usesPlaceholder(r *model.Report) bool {
	return len(r.Captures) == 0 || slices.ContainsFunc(r.Captures, func(c model.Capture) bool { return fileArgument(&c) == placeholder })
}

// kafkavetFiles returns the captures as arguments.
func kafkavetFiles(r *model.Report) string {
	arguments := ""
	if usesKeys(r) {
		arguments = " --tls-keylog " + keysPlaceholder
	}
	if len(r.Captures) == 0 || len(r.Captures) > maxReproduceFiles {
		return arguments + " " + placeholder + "..."
	}
	for i := range r.Captures {
		arguments += " " + fileArgument(&r.Captures[i])
	}
	return arguments
}

// fileArgument returns the name of a capture as a word of a POSIX shell.
func fileArgument(c *model.Capture) string {
	path := c.Path
	if !isFile(c) {
		path = c.Saved
	}
	return pathArgument(path, placeholder)
}

// pathArgument returns a path as a word of a POSIX shell, or instead if the path cannot be typed.
func pathArgument(path, instead string) string {
	if path == "" || strings.ContainsFunc(path, unprintable) {
		return instead
	}
	if path[0] == '-' {
		path = "./" + path
	}
	if strings.Trim(path, shellSafe) != "" {
		path = "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	if len(path) > maxArgument {
		return instead
	}
	return path
}

// shellSafe are the characters without a special meaning to a shell, anywhere in a word.
const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+:,@%-"

// unprintable reports whether a user of a shell cannot type or see r.
func unprintable(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }

package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// How a reader finds the same thing again: Wireshark display filters, and
// commands for kafkavet and tshark (read with tshark 4.0; all field names are
// in Wireshark since 3.0).

// step is a command with what it shows.
type step struct {
	// What says what the command shows.
	What    string
	Command string
}

// wiresharkKafkaPort is the port that Wireshark takes for Kafka by itself
// (packet-kafka.c, TCP_DEFAULT_RANGE); others need -d.
const wiresharkKafkaPort = 9092

const (
	// maxFilterStreams and maxFilterFrames are how many connections and frames
	// a display filter names.
	maxFilterStreams = 5
	maxFilterFrames  = 10
	// maxDecodePorts is how many ports are declared to be Kafka.
	maxDecodePorts = 4
	// maxReproduceFiles is how many captures a command names.
	maxReproduceFiles = 8
)

// filters finds occurrences again in Wireshark.
type filters struct{ r *Report }

// inOneCapture tells whether tcp.stream of an occurrence is what Wireshark
// shows: in the later ones of several captures its numbers begin anew.
func (f filters) inOneCapture(o *Occurrence) bool { return o.Capture == 0 }

// occurrence is a display filter that shows the occurrence.
func (f filters) occurrence(o *Occurrence) string {
	if o.CorrelationID == nil || !f.inOneCapture(o) {
		return fmt.Sprintf("frame.number == %d", o.Frame)
	}
	return fmt.Sprintf("tcp.stream eq %d && kafka.correlation_id == %d", o.Stream, *o.CorrelationID)
}

// frames is a display filter that shows the packets of the first occurrences,
// as far as they are in the same capture as the first one.
func (f filters) frames(occurrences []Occurrence) string {
	var numbers []uint64
	for i := range occurrences {
		if o := &occurrences[i]; o.Capture == occurrences[0].Capture && len(numbers) < maxFilterFrames {
			numbers = append(numbers, o.Frame)
		}
	}
	return alternatives("frame.number", numbers)
}

// streams is a display filter that shows the connections of the first
// occurrences, empty where it would show others.
func (f filters) streams(occurrences []Occurrence) string {
	var numbers []uint64
	for i := range occurrences {
		if o := &occurrences[i]; f.inOneCapture(o) && len(numbers) < maxFilterStreams {
			numbers = append(numbers, uint64(o.Stream))
		}
	}
	return alternatives("tcp.stream", numbers)
}

// alternatives is a display filter for any of some values of a field.
func alternatives(field string, values []uint64) string {
	slices.Sort(values)
	values = slices.Compact(values)
	parts := make([]string, 0, len(values))
	for _, v := range values {
		parts = append(parts, fmt.Sprintf("%s == %d", field, v))
	}
	return strings.Join(parts, " || ")
}

// reproduce says how to find again what the report says.
func reproduce(r *Report) []step {
	steps := []step{
		{"The whole analysis", "kafkavet analyze" + kafkavetFiles(r)},
		{"Every request, one a line", "kafkavet requests" + kafkavetFiles(r)},
	}
	f := firstWithRequest(r)
	if f == nil {
		return append(steps, step{"All Kafka messages", tshark(r, 0, "-Y kafka")})
	}
	first := f.Occurrences[0]
	steps = append(steps,
		step{"What the broker advertised for " + f.API, tshark(r, first.Capture,
			fmt.Sprintf("-O kafka -Y 'kafka.api_versions.api_key == %d' | grep -A 2 'API Key: .* (%d)$'", *f.APIKey, *f.APIKey))},
		step{"What was sent", tshark(r, first.Capture,
			fmt.Sprintf("-Y 'kafka.api_key == %d && kafka.api_version == %d' -T fields -E header=y -e frame.number -e tcp.stream -e kafka.correlation_id -e kafka.client_id", *f.APIKey, *f.Version))},
	)
	if streams := (filters{r}).streams(f.Occurrences); streams != "" {
		steps = append(steps, step{"How these connections ended", tshark(r, first.Capture,
			fmt.Sprintf("-Y '(%s) && (tcp.flags.fin == 1 || tcp.flags.reset == 1)'", streams))})
	}
	return steps
}

// reproduceRemark says what the commands leave open.
func reproduceRemark(r *Report) phrase {
	out := say("Where the connections are TLS, add ", verbatim("--tls-keylog KEYS"), " to kafkavet, and ",
		verbatim("-o tls.keylog_file:KEYS -d tls.port==PORT,kafka"), " to tshark.")
	if usesPlaceholder(r) {
		out = say(out, " ", verbatim(placeholder), " stands for the capture file.")
	}
	if len(r.Captures) > 1 {
		out = say(out, " Frame numbers count within one capture; stream numbers run on from one capture to the next.")
	}
	return out
}

// firstWithRequest is the first finding about requests, nil without one.
func firstWithRequest(r *Report) *Finding {
	for i := range r.Findings {
		if f := &r.Findings[i]; f.APIKey != nil && f.Version != nil && len(f.Occurrences) > 0 {
			return f
		}
	}
	return nil
}

// tshark is a tshark command on one of the captures.
func tshark(r *Report, capture uint32, arguments string) string {
	file := placeholder
	if int(capture) < len(r.Captures) {
		file = fileArgument(&r.Captures[capture])
	}
	return "tshark -r " + file + decodeAs(r) + " " + arguments
}

// decodeAs are the arguments that tell Wireshark which ports speak Kafka, in
// the clear and inside TLS.
func decodeAs(r *Report) string {
	var ports []int
	for i := range r.Brokers {
		address := r.Brokers[i].Address
		port, err := strconv.ParseUint(address[strings.LastIndexByte(address, ':')+1:], 10, 16)
		if err == nil && port != wiresharkKafkaPort {
			ports = append(ports, int(port))
		}
	}
	slices.Sort(ports)
	ports = slices.Compact(ports)
	arguments := ""
	for _, port := range ports[:min(len(ports), maxDecodePorts)] {
		arguments += fmt.Sprintf(" -d tcp.port==%d,kafka", port)
	}
	return arguments
}

// placeholder stands in commands for a capture that has no file name.
const placeholder = "CAPTURE"

// usesPlaceholder tells whether a capture has no name that a shell can open.
func usesPlaceholder(r *Report) bool {
	return len(r.Captures) == 0 || slices.ContainsFunc(r.Captures, func(c Capture) bool { return fileArgument(&c) == placeholder })
}

// kafkavetFiles are the captures as arguments.
func kafkavetFiles(r *Report) string {
	if len(r.Captures) == 0 || len(r.Captures) > maxReproduceFiles {
		return " " + placeholder + "..."
	}
	arguments := ""
	for i := range r.Captures {
		arguments += " " + fileArgument(&r.Captures[i])
	}
	return arguments
}

// fileArgument is the name of a capture as a word of a POSIX shell.
func fileArgument(c *Capture) string {
	if c.Path == "" || c.Path == "-" || c.Format == "live" || strings.ContainsFunc(c.Path, unprintable) {
		return placeholder
	}
	path := c.Path
	if path[0] == '-' {
		path = "./" + path
	}
	if strings.Trim(path, shellSafe) == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// shellSafe are the characters that mean nothing to a shell, at the beginning
// of a word or inside.
const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+:,@%-"

// unprintable tells whether a shell's user could not type r, or not see it.
func unprintable(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }

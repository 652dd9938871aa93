package write

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/report/model"
)

func TestCaptureNamesSurviveAShell(t *testing.T) {
	for _, test := range []struct{ path, format, want string }{
		{"a.pcap", "pcap", "a.pcap"},
		{"/var/tmp/a-1_b.pcap.gz", "pcap+gzip", "/var/tmp/a-1_b.pcap.gz"},
		{"my file.pcap", "pcap", "'my file.pcap'"},
		{"it's.pcap", "pcap", `'it'\''s.pcap'`},
		{"$(reboot).pcap", "pcap", "'$(reboot).pcap'"},
		{"`reboot`;x|y&z>~\\*?[a]{b}\"!#.pcap", "pcap", "'`reboot`;x|y&z>~\\*?[a]{b}\"!#.pcap'"},
		{"~/a.pcap", "pcap", "'~/a.pcap'"},
		{"-rf", "pcap", "./-rf"},
		{"--o=x y", "pcap", "'./--o=x y'"},
		{"größe.pcap", "pcap", "'größe.pcap'"},
		{"two\nlines", "pcap", "CAPTURE"},
		{"\x1b[2J.pcap", "pcap", "CAPTURE"},
		{"\u202efdp.pcap", "pcap", "CAPTURE"},
		{"bad\xff.pcap", "pcap", "CAPTURE"},
		{"-", "pcap", "CAPTURE"},
		{"", "", "CAPTURE"},
		{"eth0", "live", "CAPTURE"},
		{strings.Repeat("a", maxArgument), "pcap", strings.Repeat("a", maxArgument)},
		{strings.Repeat("a", maxArgument+1), "pcap", "CAPTURE"},
		{strings.Repeat("'", maxArgument/2), "pcap", "CAPTURE"},
	} {
		if got := fileArgument(&model.Capture{Path: test.path, Format: test.format}); got != test.want {
			t.Errorf("%q is %s, want %s", test.path, got, test.want)
		}
	}
}

func TestReproduceNamesTheFirstRequestThatWasFound(t *testing.T) {
	r := richReport()
	r.Captures = r.Captures[:1]
	r.Captures[0].Path = "orders.pcap"
	r.Findings[0].Occurrences = r.Findings[0].Occurrences[:2]
	r.Findings = append(richWarnings()[1:], r.Findings...)
	want := []instruction{
		{"The whole analysis", "kafkavet analyze orders.pcap"},
		{"Every request, one a line", "kafkavet requests orders.pcap"},
		{"What the broker advertised for Fetch", "tshark -r orders.pcap -d tcp.port==19092,kafka -O kafka -Y 'kafka.api_versions.api_key == 1' | grep -A 2 'API Key: .* (1)$'"},
		{"What was sent", "tshark -r orders.pcap -d tcp.port==19092,kafka -Y 'kafka.api_key == 1 && kafka.api_version == 12' -T fields -E header=y -e frame.number -e tcp.stream -e kafka.correlation_id -e kafka.client_id"},
		{"How these connections ended", "tshark -r orders.pcap -d tcp.port==19092,kafka -Y '(tcp.stream == 1 || tcp.stream == 2) && (tcp.flags.fin == 1 || tcp.flags.reset == 1)'"},
	}
	if diff := cmp.Diff(want, reproduce(r)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestReproduceTakesTheCaptureOfTheFirstOccurrence(t *testing.T) {
	r := richReport()
	r.Findings[0].Occurrences = r.Findings[0].Occurrences[8:]
	steps := reproduce(r)
	if got, want := steps[3].Command[:len("tshark -r orders-two.pcapng ")], "tshark -r orders-two.pcapng "; got != want {
		t.Errorf("the command begins with %s, want %s", got, want)
	}
	if len(steps) != 4 {
		t.Errorf("streams of a later capture are named, where Wireshark counts anew: %+v", steps[4:])
	}
}

func TestReproduceWithoutAFinding(t *testing.T) {
	r := emptyReport()
	r.Captures[0].Format, r.Captures[0].Path = "live", "eth0"
	want := []instruction{
		{"The whole analysis", "kafkavet analyze CAPTURE"},
		{"Every request, one a line", "kafkavet requests CAPTURE"},
		{"All TCP connections", "tshark -r CAPTURE -q -z conv,tcp"},
	}
	if diff := cmp.Diff(want, reproduce(r)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	for want, r := range map[string]*model.Report{
		"tshark -r clean.pcapng -Y kafka": cleanReport(),
		"tshark -r empty.pcap -Y 'tcp.stream == 4'": {
			Captures: emptyReport().Captures, Findings: []model.Finding{{Code: "KV9004", Occurrences: []model.Occurrence{{Frame: 9, Stream: 4}}}},
		},
	} {
		if got := reproduce(r)[2].Command; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestReproduceShowsWhatWasNotAdvertised(t *testing.T) {
	r := richReport()
	r.Captures = r.Captures[1:]
	r.Findings[0].Code, r.Findings[0].Advertised = "KV1003", nil
	if got, want := reproduce(r)[2].Command, "tshark -r orders-two.pcapng -d tcp.port==19092,kafka -O kafka -Y kafka.api_versions.api_key | grep 'API Version '"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r.Findings[0].Code = "KV2001"
	if got, want := reproduce(r)[2].What, "What was sent"; got != want {
		t.Errorf("after a range that was not seen: %s, want %s", got, want)
	}
}

func TestReproduceInsideOfTLS(t *testing.T) {
	r := cleanReport()
	r.Brokers[0].TLS = true
	r.Brokers = append(r.Brokers, model.Broker{Address: "10.0.0.5:19092"})
	want := []string{
		"kafkavet analyze --tls-keylog KEYS clean.pcapng", "kafkavet requests --tls-keylog KEYS clean.pcapng",
		"tshark -r clean.pcapng -d tcp.port==9092,tls -d tls.port==9092,kafka -d tcp.port==19092,kafka -o tls.keylog_file:KEYS -Y kafka",
	}
	for i, s := range reproduce(r) {
		if s.Command != want[i] {
			t.Errorf("got %s, want %s", s.Command, want[i])
		}
	}
	if remark := mdPhrase(reproduceRemark(r)); remark != "`KEYS` stands for the TLS key log, which is not part of the report." {
		t.Errorf("remark %s", remark)
	}
	r.Summary.KafkaStreams = 0
	if got := reproduce(r)[0].Command; got != "kafkavet analyze clean.pcapng" {
		t.Errorf("nothing was decrypted: %s", got)
	}
}

func TestFiltersFindTheSamePackets(t *testing.T) {
	r := richReport()
	occurrences := r.Findings[0].Occurrences
	for _, test := range []struct{ got, want string }{
		{occurrenceFilter(&occurrences[0]), "tcp.stream eq 1 && kafka.correlation_id == 8"},
		{occurrenceFilter(&occurrences[8]), "frame.number == 174"},
		{occurrenceFilter(&model.Occurrence{Frame: 9, Stream: 3}), "frame.number == 9"},
		{framesFilter(occurrences[6:]), "frame.number == 146 || frame.number == 160"},
		{framesFilter([]model.Occurrence{{Frame: 7}, {Frame: 5}, {Frame: 7}}), "frame.number == 5 || frame.number == 7"},
		{streamsFilter(occurrences[6:]), "tcp.stream == 7 || tcp.stream == 8"},
		{streamsFilter(occurrences[8:]), ""},
		{framesFilter(nil), ""},
	} {
		if test.got != test.want {
			t.Errorf("filter %q, want %q", test.got, test.want)
		}
	}
}

func TestDecodeAsNamesEachPortOnce(t *testing.T) {
	r := &model.Report{}
	for _, address := range []string{"10.0.0.1:9092", "10.0.0.1:19093", "[2001:db8::1]:19092", "10.0.0.2:19092", "broker-3", "broker-4:99999", "broker-5:x;y", "a:1", "b:2", "c:3"} {
		r.Brokers = append(r.Brokers, model.Broker{Address: address})
	}
	if got, want := decodeAs(r), " -d tcp.port==1,kafka -d tcp.port==2,kafka -d tcp.port==3,kafka -d tcp.port==19092,kafka"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReproduceFitsIntoItsPartOfTheTicket(t *testing.T) {
	r := richReport()
	r.Captures, r.Brokers, r.Findings[0].API = nil, nil, strings.Repeat("A", 40)
	r.Findings[0].APIKey, r.Findings[0].Version = ref(int16(-32768)), ref(int16(-32768))
	for i := range maxReproduceFiles {
		r.Captures = append(r.Captures, model.Capture{Path: strings.Repeat("a", maxArgument-1) + fmt.Sprint(i)})
	}
	for i := range 10 {
		r.Brokers = append(r.Brokers, model.Broker{Address: fmt.Sprintf("10.0.0.1:%d", 60000+i), TLS: true})
	}
	for i := range r.Findings[0].Occurrences {
		r.Findings[0].Occurrences[i].Capture, r.Findings[0].Occurrences[i].Stream = 0, uint32(4294967290-i)
	}
	r.Captures = append(r.Captures[:maxReproduceFiles-1], model.Capture{Path: "-"})
	text := markdownOf(t, r)
	for _, s := range reproduce(r) {
		if !strings.Contains(text, s.Command) {
			t.Errorf("no %s", s.Command)
		}
	}
}

// TestFiltersSayWhatWiresharkMustBeTold: a filter for Kafka's fields shows nothing on a port that
// Wireshark does not treat as Kafka.
func TestFiltersSayWhatWiresharkMustBeTold(t *testing.T) {
	for _, c := range []struct {
		broker string
		tls    bool
		want   string
	}{
		{"10.0.0.5:9092", false, ""},
		{"10.0.0.5:19092", false, " (they need Decode As: TCP port 19092 is Kafka)"},
		{"[2001:db8::5]:9093", true, " (they need the key log, and in Decode As: TLS port 9093 is Kafka)"},
		{"", false, ""},
	} {
		f := model.Finding{Broker: c.broker, Occurrences: []model.Occurrence{{Frame: 1, CorrelationID: ref[int32](8)}}}
		r := &model.Report{Brokers: []model.Broker{{Address: c.broker, TLS: c.tls}}}
		if got := filterHint(r, &f); got != c.want {
			t.Errorf("%s: got %q, want %q", c.broker, got, c.want)
		}
		f.Occurrences[0].CorrelationID = nil
		if got := filterHint(r, &f); got != "" {
			t.Errorf("%s, by frame numbers alone: got %q", c.broker, got)
		}
	}
}

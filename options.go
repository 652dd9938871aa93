package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/redact"
)

// options are the parsed command line. The flags of a command fill its groups. The job reads them
// after resolve, and nothing changes them then.
type options struct {
	// captures are the arguments of analyze and requests.
	captures []string
	merged   []string
	traffic  trafficOptions
	report   reportOptions
	redact   redactOptions
	pick     pickOptions
	evidence evidenceOptions
	output   outputOptions
	live     liveOptions
	save     saveOptions
	groups   []optionGroup
}

type optionGroup interface {
	// register adds the flags to those of a command.
	register(*cobra.Command)
	// resolve returns an error for invalid values, and fills what follows from the values. It is
	// called once, before any work is done.
	resolve() error
}

func (o *options) add(cmd *cobra.Command, groups ...optionGroup) {
	for _, g := range groups {
		g.register(cmd)
	}
	o.groups = append(o.groups, groups...)
}

// resolve resolves the groups, and returns an error for options that contradict each other. stdin
// gives the file name of a capture on standard input.
func (o *options) resolve(stdin io.Reader) error {
	for _, g := range o.groups {
		if err := g.resolve(); err != nil {
			return err
		}
	}
	if o.live.reportEvery > 0 {
		o.output.stamp(time.Now())
	}
	written := append(o.output.files(), namedFile{"--evidence", o.evidence.path}, namedFile{"--bundle", o.evidence.bundle}, namedFile{"--write-baseline", o.report.writeBaseline})
	if !o.save.rotates() {
		written = append(written, namedFile{"--write", o.save.path})
	}
	for _, f := range append(written, namedFile{"--write", o.save.path}) {
		if err := f.checkCompression(); err != nil {
			return err
		}
	}
	if o.redact.redact && o.traffic.debug != nil {
		return errors.New("--debug: cannot be redacted; it shows names and addresses")
	}
	if o.redact.redact && o.report.writeBaseline != "" {
		return errors.New("--write-baseline: cannot be redacted; a baseline recognizes client ids")
	}
	isFile := func(f namedFile) bool { return f.path != "" && f.path != "-" }
	if o.live.reportEvery > 0 && !slices.ContainsFunc(o.output.files(), isFile) {
		return errors.New("--report-every: has no effect without --output FILE")
	}
	if o.output.flags.Changed("output-mode") && !isFile(namedFile{path: o.save.path}) && !slices.ContainsFunc(written, isFile) {
		return errors.New("--output-mode: has no effect without an output file")
	}
	return apart(written, slices.Concat(fileNames(slices.Concat(o.captures, o.merged), stdin), o.traffic.keyLogs, o.report.knownIssues,
		[]string{o.redact.file(), o.report.target, o.report.baseline, o.traffic.advertised, o.live.program})...)
}

// colors are the values of --color. severities are the values of --fail-on.
var (
	colors     = []string{"auto", "always", "never"}
	severities = []string{"error", "warning", "info", "never"}
)

// trafficOptions select the connections, and configure their analysis.
type trafficOptions struct {
	ports       []uint
	notPorts    []uint
	hosts       []string
	nets        []string
	keyLogs     []string
	advertised  string
	vxlanPorts  []uint
	genevePorts []uint
	idle        time.Duration
	debug       *uint32 // a stream number; nil for none
	noSandbox   bool
	quiet       bool
	verbose     bool

	// dissector and filter are filled by resolve.
	dissector capture.DissectorOptions
	filter    capture.Filter
}

// selection returns the flags that select connections as a text; empty for none.
func (o *trafficOptions) selection() (text string) {
	for _, ports := range [][]uint{o.ports, o.notPorts, o.vxlanPorts, o.genevePorts} {
		text += fmt.Sprint(slices.Sorted(slices.Values(ports)))
	}
	text += fmt.Sprintf("%q%q", slices.Sorted(slices.Values(o.hosts)), slices.Sorted(slices.Values(o.nets)))
	if strings.Trim(text, "[]") == "" {
		return ""
	}
	return text
}

func (o *trafficOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.UintSliceVar(&o.ports, "port", nil, "analyze only TCP connections with this `PORT`; a list, or repeated")
	f.UintSliceVar(&o.notPorts, "not-port", nil, "ignore TCP connections with this `PORT`")
	f.StringSliceVar(&o.hosts, "host", nil, "analyze only connections of this IP `ADDRESS` or network (10.0.0.0/8)")
	f.StringSliceVar(&o.nets, "net", nil, "as --host, for a `NETWORK`; --host and --net can be combined")
	f.StringArrayVar(&o.keyLogs, "tls-keylog", nil, "decrypt TLS with the key log `FILE` (NSS format, SSLKEYLOGFILE); may be repeated")
	f.StringVar(&o.advertised, "advertised", "", "the `RELEASE` or file with the ranges of brokers whose ApiVersions response was not captured; list prints the releases")
	f.UintSliceVar(&o.vxlanPorts, "vxlan-port", nil, "an additional UDP `PORT` of VXLAN")
	f.UintSliceVar(&o.genevePorts, "geneve-port", nil, "an additional UDP `PORT` of Geneve")
	f.DurationVar(&o.idle, "idle-timeout", time.Duration(reassembly.DefaultIdleTimeout), "evict connections without packets for this `DURATION`")
	f.Func("debug", "print on standard error every decision about the connection with the number `STREAM` (tcp.stream in Wireshark)", func(text string) error {
		n, err := strconv.ParseUint(text, 10, 32)
		if err == nil {
			o.debug = new(uint32(n))
		}
		return err
	})
	o.registerSandbox(cmd)
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress bar and no warnings")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "print on standard error what was read, and how fast")
}

func (o *trafficOptions) registerSandbox(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.noSandbox, "no-sandbox", false, "keep all rights of the process once the files are open (Linux)")
}

func (o *trafficOptions) resolve() (err error) {
	if o.idle <= 0 {
		return fmt.Errorf("--idle-timeout %v: must be above 0", o.idle)
	}
	d, f := &o.dissector, &o.filter
	for _, list := range []struct {
		flag    string
		numbers []uint
		ports   *[]uint16
	}{
		{"--vxlan-port", o.vxlanPorts, &d.VXLANPorts}, {"--geneve-port", o.genevePorts, &d.GenevePorts},
		{"--port", o.ports, &f.Ports}, {"--not-port", o.notPorts, &f.NotPorts},
	} {
		if *list.ports, err = ports(list.flag, list.numbers); err != nil {
			return err
		}
	}
	f.TunnelPorts = slices.Concat(d.VXLANPorts, d.GenevePorts)
	for _, list := range []struct {
		flag string
		nets []string
	}{{"--host", o.hosts}, {"--net", o.nets}} {
		for _, text := range list.nets {
			net, err := capture.ParseNet(text)
			if err != nil {
				return fmt.Errorf("%s %w", list.flag, err)
			}
			f.Nets = append(f.Nets, net)
		}
	}
	return nil
}

func ports(flag string, numbers []uint) ([]uint16, error) {
	var out []uint16
	for _, n := range numbers {
		if n == 0 || n > 65535 {
			return nil, fmt.Errorf("%s %d: a port is from 1 to 65535", flag, n)
		}
		out = append(out, uint16(n))
	}
	return out, nil
}

// reportOptions select the comparisons of findings, and the findings that fail a run.
type reportOptions struct {
	failOn string
	// required is the smallest accepted number of checked requests.
	required      uint64
	baseline      string
	writeBaseline string
	color         string
	knownIssues   []string
	target        string
	noProcess     bool
	principals    bool
}

func (o *reportOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	o.registerLimits(cmd)
	f.StringVar(&o.baseline, "baseline", "", "accept the findings in the baseline `FILE`: the report lists them, but they do not fail the run")
	f.StringVar(&o.writeBaseline, "write-baseline", "", "write the findings to `FILE` as a baseline")
	o.registerColor(cmd)
	f.StringArrayVar(&o.knownIssues, "known-issues", nil, "compare findings also with the known issues of the YAML `FILE`; may be repeated")
	f.StringVar(&o.target, "target", "", "report the requests that this `RELEASE` (kafka-4.0, 4.0.1) would refuse, or the brokers of a file:\n"+
		"a report in JSON or the output of kafka-broker-api-versions.sh; list prints the releases")
	f.BoolVar(&o.noProcess, "no-process", false, "do not name the processes of clients")
	f.BoolVar(&o.principals, "principals", false, "name the user of clients that authenticate with SASL PLAIN or SCRAM, and the subject of their certificates;\n"+
		"nothing else of a token or certificate is kept")
}

func (o *reportOptions) registerLimits(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.failOn, "fail-on", "error", "exit with 1 on a finding of this `SEVERITY` or above: error, warning, info, never")
	f.Uint64Var(&o.required, "require-checked", 0, "exit with 2 if fewer than `N` requests could be compared with an advertised range")
}

func (o *reportOptions) registerColor(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.color, "color", "auto", "colors in text: `WHEN` is auto, always or never; NO_COLOR is respected")
}

func (o *reportOptions) resolve() error {
	if o.writeBaseline == "-" {
		return errors.New("--write-baseline -: must be a file")
	}
	if err := oneOf("--fail-on", o.failOn, severities); err != nil {
		return err
	}
	return oneOf("--color", o.color, colors)
}

func (o *reportOptions) reaches(s model.Severity) bool {
	var least model.Severity
	return least.UnmarshalText([]byte(o.failOn)) == nil && s >= least // never is no severity
}

func (o *reportOptions) fails(f *model.Finding) bool { return !f.Accepted && o.reaches(f.Severity) }

// redactOptions configure the replacement of names and addresses.
type redactOptions struct {
	redact bool
	key    string
}

func (o *redactOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	usage := "replace addresses, host names, client ids and file names with pseudonyms"
	if f.Lookup("evidence") != nil {
		usage += ", and remove every value from --evidence that the proof does not need"
	}
	f.BoolVar(&o.redact, "redact", false, usage)
	f.StringVar(&o.key, "redact-key", "", "derive the pseudonyms from a `SECRET`, so that they are the same in every report:\n"+
		"file:FILE, env:VARIABLE, or the text itself, which other users of this host can see")
}

func (o *redactOptions) resolve() error {
	if o.key != "" && !o.redact {
		return errors.New("--redact-key: has no effect without --redact")
	}
	return nil
}

// file returns the file of the secret; empty for none.
func (o *redactOptions) file() string {
	name, _ := strings.CutPrefix(o.key, "file:")
	if name == o.key {
		return ""
	}
	return name
}

// pseudonyms returns the pseudonyms that the flags select; nil for none.
func (o *redactOptions) pseudonyms() (*redact.Pseudonyms, error) {
	switch {
	case !o.redact:
		return nil, nil
	case o.key == "":
		return redact.NewPseudonyms(""), nil
	}
	secret, what := o.key, "the secret"
	if name := o.file(); name != "" {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("--redact-key file:%s: %w", name, reason(err))
		}
		secret, what = strings.TrimRight(string(text), "\r\n"), o.key
	} else if name, ok := strings.CutPrefix(o.key, "env:"); ok {
		if secret, ok = os.LookupEnv(name); !ok {
			return nil, fmt.Errorf("--redact-key env:%s: the variable is not set", name)
		}
		what = o.key
	}
	key, err := redact.Key(secret)
	if err != nil {
		return nil, fmt.Errorf("--redact-key: %s is %w", what, err)
	}
	return redact.NewPseudonyms(key), nil
}

func oneOf(flag, value string, allowed []string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s %q: must be one of %s", flag, value, strings.Join(allowed, ", "))
}

// reference loads the ranges that a flag names; nil for none.
func reference(flag, name string) (*decode.Reference, error) {
	if name == "" {
		return nil, nil
	}
	r, err := decode.LoadReference(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return r, nil
}

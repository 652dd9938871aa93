package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/model"
)

// pipelineFlags are the flags that say what is looked at, and how.
type pipelineFlags struct {
	ports       []uint
	notPorts    []uint
	hosts       []string
	nets        []string
	keyLogs     []string
	advertised  string
	vxlanPorts  []uint
	genevePorts []uint
	idle        time.Duration
	quiet       bool
	verbose     bool
}

func (p *pipelineFlags) register(f *pflag.FlagSet) {
	f.UintSliceVar(&p.ports, "port", nil, "look only at TCP connections with one of these `ports`")
	f.UintSliceVar(&p.notPorts, "not-port", nil, "pass over TCP connections with one of these `ports`")
	f.StringSliceVar(&p.hosts, "host", nil, "look only at connections of these IP `addresses` or networks (10.0.0.0/8)")
	f.StringSliceVar(&p.nets, "net", nil, "the same for `networks`; --host and --net add up")
	f.StringArrayVar(&p.keyLogs, "tls-keylog", nil, "decrypt TLS with this key log `file` (NSS format, SSLKEYLOGFILE); may be repeated")
	f.StringVar(&p.advertised, "advertised", "", "what brokers advertise whose ApiVersions response was not captured: a `release` or a file, as for --target of analyze")
	f.UintSliceVar(&p.vxlanPorts, "vxlan-port", nil, "further UDP `ports` on which VXLAN is spoken")
	f.UintSliceVar(&p.genevePorts, "geneve-port", nil, "further UDP `ports` on which Geneve is spoken")
	f.DurationVar(&p.idle, "idle-timeout", time.Duration(reassembly.DefaultIdleTimeout), "give up connections silent for so `long`, by packet time")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "no progress bar and no warnings")
	f.BoolVarP(&p.verbose, "verbose", "v", false, "tell on standard error what was read, and how fast")
}

// pipeline takes packets from a source through all packages to a sink.
type pipeline struct {
	flags      *pipelineFlags
	s          streams
	dissecting capture.DissectorOptions
	dissector  *capture.Dissector
	// tap is told of every packet of the connections that are looked into; nil for nobody.
	tap     func(stream uint32, p *capture.Packet, s *capture.Segment)
	secrets *tlsrecord.Secrets
	// files are the captures; nil for a live one.
	files *capture.Files
	// settle waits until all packets read so far were worked on; nil before there are any.
	settle func()
	filter capture.Filter
	// supplied are the ranges of --advertised; nil for none.
	supplied   *decode.Reference
	shards     []*decode.Shard
	correlator *decode.Correlator
	stats      reassembly.Stats
	// live is what goes on beside a live capture; nil for files.
	live *live
}

// newPipeline makes a pipeline as the flags say. Errors name the flag.
func newPipeline(flags *pipelineFlags, s streams) (*pipeline, error) {
	p := &pipeline{flags: flags, s: s}
	p.secrets = tlsrecord.NewFileSecrets(p.lateSecrets)
	vxlan, err := ports("--vxlan-port", flags.vxlanPorts)
	if err != nil {
		return nil, err
	}
	geneve, err := ports("--geneve-port", flags.genevePorts)
	if err != nil {
		return nil, err
	}
	if flags.idle <= 0 {
		return nil, fmt.Errorf("--idle-timeout %v: must be above 0", flags.idle)
	}
	p.dissecting = capture.DissectorOptions{VXLANPorts: vxlan, GenevePorts: geneve}
	p.dissector = capture.NewDissector(p.dissecting)
	if p.filter, err = flags.filter(); err != nil {
		return nil, err
	}
	if p.supplied, err = reference("--advertised", flags.advertised); err != nil {
		return nil, err
	}
	p.filter.TunnelPorts = slices.Concat(vxlan, geneve)
	for _, name := range flags.keyLogs {
		if err := p.readKeyLog(name); err != nil {
			return nil, err
		}
	}
	return p, nil
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

// filter makes the filter of --port, --not-port, --host and --net.
func (p *pipelineFlags) filter() (f capture.Filter, err error) {
	if f.Ports, err = ports("--port", p.ports); err != nil {
		return f, err
	}
	if f.NotPorts, err = ports("--not-port", p.notPorts); err != nil {
		return f, err
	}
	for _, list := range []struct {
		flag string
		nets []string
	}{{"--host", p.hosts}, {"--net", p.nets}} {
		for _, text := range list.nets {
			n, err := capture.ParseNet(text)
			if err != nil {
				return f, fmt.Errorf("%s %w", list.flag, err)
			}
			f.Nets = append(f.Nets, n)
		}
	}
	return f, nil
}

// readKeyLog reads the TLS secrets of a file.
func (p *pipeline) readKeyLog(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read key log %s: %w", name, errors.Unwrap(err))
	}
	defer f.Close()
	if err := p.secrets.ReadKeyLog(f, name, p.warn); err != nil {
		return fmt.Errorf("read key log: %w", err)
	}
	return nil
}

// tlsKeyLog is the type of secrets that are a TLS key log (draft-ietf-opsawg-pcapng, 4.7).
const tlsKeyLog = 0x544c534b

// addSecrets takes the secrets of a pcapng decryption secrets block.
func (p *pipeline) addSecrets(kind uint32, text []byte) {
	if kind != tlsKeyLog {
		p.warn(fmt.Errorf("decryption secrets of an unknown type (%#08x) are passed over", kind))
		return
	}
	if p.settle != nil {
		p.settle() // they count for the packets behind them, whatever the workers are at
	}
	if err := p.secrets.ReadKeyLog(bytes.NewReader(text), "decryption secrets block", p.warn); err != nil {
		p.warn(err)
	}
}

// lateSecrets takes the secrets that stand behind the packets that need them.
// What is wrong with them is told by addSecrets.
func (p *pipeline) lateSecrets(s *tlsrecord.Secrets) {
	if p.files == nil {
		return
	}
	p.files.EachSecret(func(kind uint32, text []byte) {
		if kind == tlsKeyLog {
			_ = s.ReadKeyLog(bytes.NewReader(text), "", nil) // reading from memory does not fail
		}
	})
}

func (p *pipeline) warn(err error) {
	if !p.flags.quiet {
		p.s.complain("warning: %v", err)
	}
}

// want is the filter for the pool, nil for none.
func (p *pipeline) want() func(*capture.Segment) bool {
	if p.filter.All() {
		return nil
	}
	return p.filter.Match
}

// run reads src to its end and hands what is found to sink.
func (p *pipeline) run(ctx context.Context, src capture.Source, sink decode.Sink) error {
	var opt decode.Options
	if p.supplied != nil {
		opt.Supplied = p.supplied.Table.Ranges
	}
	p.correlator = decode.NewCorrelator(opt, sink)
	pooling := reassembly.Options{
		Dissector: p.dissector, LooksLikeRequest: decode.LooksLikeRequest, LooksLikeExchange: decode.LooksLikeExchange, Want: p.want(),
		Secrets: p.secrets, IdleTimeout: int64(p.flags.idle), Tap: p.tap,
	}
	if p.live != nil {
		pooling.Live, pooling.Clock = true, p.live.clock
	}
	var pool *reassembly.Pool[[]decode.Event]
	pool = reassembly.NewPool(pooling, p.newShard, func(parts [][]decode.Event) error {
		p.correlator.Add(parts)
		if p.live == nil {
			return nil
		}
		p.stats = pool.Stats()
		return p.live.collected(p)
	})
	p.settle = pool.Settle
	var err error
	p.stats, err = pool.Run(ctx, src)
	p.correlator.Finish()
	return err
}

// newShard makes the decoder of a part of the connections.
func (p *pipeline) newShard() reassembly.Shard[[]decode.Event] {
	s := decode.NewShard()
	p.shards = append(p.shards, s)
	if p.live != nil {
		return p.live.watch(s)
	}
	return s
}

// input tells what the packages before report have counted, when the pipeline has ended.
func (p *pipeline) input(src capture.Source) report.Input {
	var limits decode.Limits
	for _, s := range p.shards {
		limits.Add(s.Limits())
	}
	return p.inputOf(src.Captures(), p.dissector.Stats(), limits)
}

// inputOf puts what was counted into the report's words.
func (p *pipeline) inputOf(captures []capture.Info, dissected capture.DissectorStats, limits decode.Limits) report.Input {
	in := report.Input{LimitsHit: p.stats.Limits.Hit()}
	for _, c := range captures {
		in.Captures = append(in.Captures, describe(&c))
	}
	for _, u := range dissected.Unparsed {
		in.UnparsedPackets = append(in.UnparsedPackets, model.Count{Name: u.String(), Count: u.Packets})
	}
	for _, l := range dissected.Limits {
		in.LimitsHit[l.Name] += l.Hits
	}
	if n := p.secrets.Forgotten(); n > 0 {
		in.LimitsHit["tls_secrets"] = n
	}
	limits.Add(p.correlator.Limits())
	for name, n := range limits.Hit() {
		in.LimitsHit[name] += n
	}
	return in
}

// describe puts what is known of a capture into the report's words.
func describe(c *capture.Info) model.Capture {
	d := model.Capture{
		Path: c.Path, Format: c.Format, Packets: c.Packets, Bytes: c.Bytes, Torn: c.Torn != nil,
		Truncated: c.Truncated, Dropped: c.Dropped, LinkTypes: []uint32{},
	}
	for _, l := range c.LinkTypes {
		d.LinkTypes = append(d.LinkTypes, uint32(l))
	}
	if c.Packets > 0 {
		first, last := model.Time(c.First), model.Time(c.Last)
		d.First, d.Last = &first, &last
	}
	switch {
	case c.Err != nil:
		d.Problem = c.Err.Error()
	case c.Torn != nil:
		d.Problem = c.Torn.Error()
	}
	return d
}

// troubles says on standard error what was wrong with the captures, and tells whether
// any of them could not be read as it should.
func (p *pipeline) troubles(src capture.Source) (failed bool) {
	for _, c := range src.Captures() {
		switch {
		case c.Err != nil:
			p.s.complain("%v", c.Err)
			failed = true
		case c.Torn != nil:
			p.warn(c.Torn)
		}
	}
	unknown := map[capture.LinkType]bool{}
	for _, l := range p.dissector.Stats().UnsupportedLinkTypes {
		unknown[l.Link] = true
		path := src.Captures()[l.First.Capture].Path
		p.s.complain("read capture %s: packet %d: link type %s (%d) is not supported: %d packets were not looked at", path, l.First.Frame, l.Link, uint32(l.Link), l.Packets)
	}
	for _, c := range src.Captures() {
		failed = failed || len(c.LinkTypes) > 0 && !slices.ContainsFunc(c.LinkTypes, func(l capture.LinkType) bool { return !unknown[l] })
	}
	return failed
}

// account tells, for --verbose, what was read and how long it took.
func (p *pipeline) account(src capture.Source, began time.Time) {
	if !p.flags.verbose {
		return
	}
	var packets, size uint64
	var names []string
	for _, c := range src.Captures() {
		packets += c.Packets
		size += c.Bytes
		if c.Err == nil {
			names = append(names, fmt.Sprintf("%s (%s)", c.Path, c.Format))
		}
	}
	took := time.Since(began)
	if len(names) == 0 {
		return
	}
	p.s.complain("read %s: %d packets, %d bytes in %.3f s (%.0f packets/s) on %d processors",
		strings.Join(names, ", "), packets, size, took.Seconds(), float64(packets)/took.Seconds(), runtime.GOMAXPROCS(0))
}

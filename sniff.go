package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/redact"
)

// sniffFlags are the flags that only sniff has.
type sniffFlags struct {
	iface       string
	snaplen     int
	buffer      uint
	promiscuous bool
	program     string
	duration    time.Duration
	count       uint64
	interval    time.Duration
	listen      string
	user        string
	save        saveFlags
}

func (o *sniffFlags) register(f *pflag.FlagSet) {
	f.StringVarP(&o.iface, "interface", "i", "", "watch this `interface`, or any for all of them; kafkavet interfaces lists them")
	f.DurationVar(&o.duration, "duration", 0, "end after so `long`, with the report")
	f.Uint64VarP(&o.count, "count", "c", 0, "end after so `many` packets, with the report")
	f.DurationVar(&o.interval, "interval", 10*time.Second, "tell so `often` how many times findings happened again")
	f.StringVar(&o.listen, "listen", "", "serve the report so far and metrics by HTTP at this `address`; on this host only unless one of another host's is given (:9999 is 127.0.0.1:9999)")
	f.StringVar(&o.user, "user", "", "go on as this `user` once the interface and all files are open (Linux, started as root)")
	f.StringVar(&o.program, "bpf", "", "have the kernel filter with the program in this `file`, as tcpdump -ddd prints it")
	f.IntVar(&o.snaplen, "snaplen", capture.DefaultSnapLen, "keep so many `bytes` of a packet")
	f.UintVar(&o.buffer, "buffer", capture.DefaultBuffer>>20, "let so many `MiB` of packets wait to be read")
	f.BoolVar(&o.promiscuous, "promiscuous", false, "ask the interface for packets to other hosts, too")
	o.save.register(f)
}

// check tells what is wrong with the flags, before any work is done.
func (o *sniffFlags) check(args []string) error {
	switch {
	case len(args) > 0:
		return fmt.Errorf("argument %q: takes none; the interface goes with -i", args[0])
	case o.iface == "":
		return errors.New("no interface given; -i any watches all of them, and kafkavet interfaces lists them")
	case o.duration < 0:
		return fmt.Errorf("--duration %v: must be above 0", o.duration)
	case o.interval < minInterval:
		return fmt.Errorf("--interval %v: must be %v or more", o.interval, minInterval)
	case o.buffer < capture.MinBuffer>>20 || o.buffer > capture.MaxBuffer>>20:
		return fmt.Errorf("--buffer %d: must be from %d to %d MiB", o.buffer, capture.MinBuffer>>20, capture.MaxBuffer>>20)
	case o.snaplen != 0 && (o.snaplen < capture.MinSnapLen || o.snaplen > capture.DefaultSnapLen):
		return fmt.Errorf("--snaplen %d: must be from %d to %d bytes", o.snaplen, capture.MinSnapLen, capture.DefaultSnapLen)
	case o.promiscuous && o.iface == capture.AnyInterface:
		return errors.New("--promiscuous: needs one interface, not any")
	}
	if o.listen != "" {
		if _, err := listenAddress(o.listen); err != nil {
			return err
		}
	}
	return o.save.check()
}

// minInterval bounds --interval, so that what is told can be read.
const minInterval = time.Second

// options are what the interface is opened with.
func (o *sniffFlags) options(p *pipeline) (capture.LiveOptions, error) {
	opt := capture.LiveOptions{
		Interface: o.iface, SnapLen: o.snaplen, BufferBytes: int(o.buffer) << 20,
		Promiscuous: o.promiscuous, Filter: p.filter, Warn: p.warn,
	}
	if o.program == "" {
		return opt, nil
	}
	f, err := os.Open(o.program)
	if err != nil {
		return opt, fmt.Errorf("--bpf %s: %w", o.program, reason(err))
	}
	defer f.Close()
	if opt.BPF, err = capture.ReadBPF(f); err != nil {
		return opt, fmt.Errorf("--bpf %s: %w", o.program, err)
	}
	return opt, nil
}

// sniffing is a run of the command: what it was given, and what it is made of.
type sniffing struct {
	flags sniffFlags
	pf    pipelineFlags
	rf    reportFlags
	s     streams
	// open opens the interface; tests give another one.
	open func(capture.LiveOptions) (liveCapture, error)
	// now is the time since the start, which never goes back.
	now func() time.Duration
}

// openInterface opens an interface of this host.
func openInterface(opt capture.LiveOptions) (liveCapture, error) { return capture.OpenLive(opt) }

// sniff is the command of that name.
func sniff(ctx context.Context, args []string, s streams) int {
	// Without this, a reader of standard output that went away would end the
	// program on the spot, with files half written. So the write fails instead.
	signal.Ignore(syscall.SIGPIPE)
	// A terminal or a remote session that goes away ends a capture in good order;
	// nohup has the hangup ignored.
	if !signal.Ignored(syscall.SIGHUP) {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	}
	start := time.Now()
	return sniffWith(ctx, args, s, openInterface, func() time.Duration { return time.Since(start) })
}

func sniffWith(ctx context.Context, args []string, s streams, open func(capture.LiveOptions) (liveCapture, error), now func() time.Duration) int {
	r := &sniffing{s: s, open: open, now: now}
	f := flagSet("sniff", "[flags] -i IFACE", "Watch an interface: tell of every kind of request that the broker never offered when it first happens, then how\n"+
		"often, and report at the end (Ctrl-C, --duration, --count).", s)
	r.flags.register(f)
	r.rf.register(f)
	r.pf.register(f)
	if code, done := parse(f, args, s); done {
		return code
	}
	code, err := r.run(ctx, f.Args())
	if err != nil {
		s.complain("%v", err)
		return exitTrouble
	}
	return code
}

// run watches the interface.
func (r *sniffing) run(ctx context.Context, args []string) (int, error) {
	if asked, err := listReleases(r.s, r.rf.color, r.rf.target, r.pf.advertised); asked {
		return exitClean, err
	}
	if err := cmp.Or(r.flags.check(args), r.rf.check(), r.apart()); err != nil {
		return 0, err
	}
	status := newStatusLine(r.s.err, r.pf.quiet)
	defer status.hide()
	r.s.err = status

	keyLogs := r.pf.keyLogs
	r.pf.keyLogs = nil // they are followed instead
	p, err := newPipeline(&r.pf, r.s)
	if err != nil {
		return 0, err
	}
	p.secrets = tlsrecord.NewSecrets() // a key log may grow for weeks
	names, err := r.rf.pseudonyms()
	if err != nil {
		return 0, err
	}
	ev, err := r.rf.evidenceFlags.open(p, names)
	if err != nil {
		return 0, err
	}
	defer ev.abandon()
	builder, err := r.rf.builder(p, ev.gathered(), true)
	if err != nil {
		return 0, err
	}
	out, err := openOutput(r.rf.output, r.s.out)
	if err != nil {
		return 0, err
	}
	defer out.abandon()
	defer onSecondSignal(ctx, func() { status.hide(); out.abandon(); ev.abandon() })()

	src, err := r.openSource(ctx, p)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	w := newWatch(r, p, src, builder, names, status)
	defer w.close()
	if err := w.begin(keyLogs, out, ev); err != nil {
		return 0, err
	}
	if err := w.watch(ctx); err != nil {
		return 0, err
	}
	return r.finish(w, out, ev)
}

// apart fails where files that are written and read are not different ones.
func (r *sniffing) apart() error {
	files := r.rf.files()
	if !r.flags.save.rotates() {
		files = append(files, written{"--write", r.flags.save.path})
	}
	return apart(files, slices.Concat(r.pf.keyLogs, r.rf.knownIssues, []string{r.flags.program, r.rf.target, r.pf.advertised})...)
}

// openSource opens the interface.
func (r *sniffing) openSource(ctx context.Context, p *pipeline) (*liveSource, error) {
	opt, err := r.flags.options(p)
	if err != nil {
		return nil, err
	}
	device, err := r.open(opt)
	if err != nil {
		return nil, err
	}
	return &liveSource{
		liveCapture: device, ctx: ctx, now: r.now, dissector: p.dissector,
		until: r.flags.duration, most: r.flags.count,
	}, nil
}

// finish writes the report at the end, and returns the exit code.
func (r *sniffing) finish(w *watch, out *output, ev *evidenceOutput) (int, error) {
	w.builder.SetInput(w.p.input(w.src))
	rep := w.builder.Report()
	if w.names != nil {
		redact.Report(rep, w.names)
	}
	if err := ev.write(w.builder, w.src, w.p); err != nil {
		return 0, err
	}
	w.status.hide()
	if w.untold == nil {
		w.untold = w.last(rep)
	}
	if r.rf.output != "" || r.rf.format != "json" && w.untold == nil {
		if err := r.rf.write(out.w, rep); err != nil {
			return 0, fmt.Errorf("write %s: %w", out.name, reason(err))
		}
	}
	if err := out.commit(); err != nil {
		return 0, err
	}
	switch {
	case w.untold != nil:
		return 0, w.untold
	case w.p.troubles(w.src) || w.failed != nil:
		return exitTrouble, nil
	case r.rf.failed(rep):
		return exitFindings, nil
	}
	return exitClean, nil
}

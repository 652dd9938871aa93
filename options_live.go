package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kafkavet/kafkavet/capture"
)

// liveOptions configure the capture on an interface, and its end.
type liveOptions struct {
	iface       string
	snaplen     int
	buffer      uint
	promiscuous bool
	program     string
	duration    time.Duration
	count       uint64
	interval    time.Duration
	reportEvery time.Duration
	listen      string
	user        string
	// isRun says that the command is run: a child process ends the capture, and findings are
	// printed only at the end.
	isRun bool
}

func (o *liveOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	o.interval = defaultInterval
	if o.isRun {
		f.StringVarP(&o.iface, "interface", "i", "", "watch the interface `IFACE` instead of loopback and bridges")
	} else {
		f.StringVarP(&o.iface, "interface", "i", "", "watch the interface `IFACE`, or any for all of them; kafkavet interfaces lists them")
		o.registerSniff(f)
	}
	f.StringVar(&o.user, "user", "", "continue as this `USER` after the interface is open (Linux, started as root); the user must be able to write all outputs")
	f.IntVar(&o.snaplen, "snaplen", capture.DefaultSnapLen, "capture at most `N` bytes of each packet")
	f.UintVar(&o.buffer, "buffer", capture.DefaultBuffer>>20, "size in `MIB` of the buffer for packets not read yet")
}

// registerSniff adds the flags that run does not have.
func (o *liveOptions) registerSniff(f *pflag.FlagSet) {
	f.DurationVar(&o.duration, "duration", 0, "end with the report after this `DURATION`")
	f.Uint64VarP(&o.count, "count", "c", 0, "end with the report after `N` packets")
	f.DurationVar(&o.interval, "interval", defaultInterval, "print new counts of findings every `DURATION`")
	f.DurationVar(&o.reportEvery, "report-every", 0, "write the report so far to the files of --output every `DURATION`, so that a host that dies loses no more;\n%s in their names becomes the start in seconds since 1970, so that a new start keeps the report before")
	f.StringVar(&o.listen, "listen", "", "serve the current report and metrics by HTTP at this `ADDRESS`; :9999 is 127.0.0.1:9999, only a full address reaches other hosts")
	f.StringVar(&o.program, "bpf", "", "filter in the kernel with the program in `FILE`, as tcpdump -ddd prints it")
	f.BoolVar(&o.promiscuous, "promiscuous", false, "also capture packets to other hosts")
}

const (
	defaultInterval = 10 * time.Second
	// minInterval bounds --interval, so that users can read the output.
	minInterval = time.Second
)

func (o *liveOptions) resolve() error {
	switch {
	case o.iface == "" && !o.isRun:
		return errors.New("no interface given; -i any watches all of them, and kafkavet interfaces lists them")
	case o.duration < 0:
		return fmt.Errorf("--duration %v: must be above 0", o.duration)
	case o.interval < minInterval:
		return fmt.Errorf("--interval %v: must be %v or more", o.interval, minInterval)
	case o.reportEvery != 0 && o.reportEvery < minInterval:
		return fmt.Errorf("--report-every %v: must be %v or more", o.reportEvery, minInterval)
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
	return nil
}

func (o *liveOptions) capture(filter capture.Filter, warn func(error)) (capture.LiveOptions, error) {
	name := o.iface
	if name == "" {
		var err error
		if name, err = localInterface(); err != nil {
			return capture.LiveOptions{}, err
		}
	}
	opt := capture.LiveOptions{
		Interface: name, SnapLen: o.snaplen, BufferBytes: int(o.buffer) << 20,
		Promiscuous: o.promiscuous, Filter: filter, Warn: warn,
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

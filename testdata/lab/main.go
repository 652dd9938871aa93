// Command lab runs real Apache Kafka brokers and real clients against each other
// and records what they say: captures, TLS key logs, and a manifest of what ran
// and what could not. With -tables it only asks every release for the ranges that
// it advertises, for decode/releases. See README.md.
//
// The brokers run in a network namespace made for them, and each client in another,
// at the end of a virtual cable. One scenario runs at a time.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	brokers, clients string // patterns
	cache, out       string
	releases         string
	java             string
	tables, keep     bool
	chaos, fleet     bool
	speak            string
	hold, inside     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "lab:", err)
		}
		os.Exit(1)
	}
}

// run does what the command line says.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.speak != "" {
		return speak(o.speak)
	}
	if o.java, err = check(o.tables); err != nil {
		return err
	}
	switch {
	case o.keep:
		return keep(ctx, o, "..", stdout)
	case o.inside != "":
		return insideNamespace(ctx, o, stdout)
	case o.hold != "":
		return hold(ctx, o, stdout)
	case o.tables:
		return askAll(ctx, o, stdout)
	case o.fleet:
		return runFleet(ctx, o, stdout)
	default:
		return runChaos(ctx, o, stdout)
	}
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("lab", flag.ContinueOnError)
	f.SetOutput(stderr)
	only := f.String("only", "*/*", "run only what fits `BROKER/CLIENT`, each with * and ?: 2.1.1/*, 3.9.2-kraft/sarama*")
	f.StringVar(&o.cache, "cache", "", "keep brokers and clients in `DIR` (default: kafkavet-lab in the user's cache directory)")
	f.StringVar(&o.out, "out", "", "write captures and manifest to `DIR` (default: runs in the cache directory)")
	f.StringVar(&o.releases, "releases", filepath.Join("..", "..", "decode", "releases"), "write the tables of ranges to `DIR`")
	f.BoolVar(&o.tables, "tables", false, "only ask every release for its ranges")
	f.BoolVar(&o.keep, "keep", false, "only copy the selected captures that -out has into testdata, with tshark's view of them")
	f.BoolVar(&o.chaos, "chaos", false, "play what happens to brokers, networks and proxies, instead of the combinations; -only then takes SCENARIO/CLIENT")
	f.BoolVar(&o.fleet, "fleet", false, "watch a fleet by a sniffer on each host, merge the reports and check the result; -only then takes */CLIENT")
	f.StringVar(&o.hold, "hold", "", "start one `BROKER`, such as 2.1.1-zookeeper, in this namespace and wait")
	f.StringVar(&o.speak, "speak", "", "used by lab itself: hold the client's part of conversations in another `PROTOCOL`")
	f.StringVar(&o.inside, "inside", "", "used by lab itself: run one `BROKER` in this namespace")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var ok bool
	if o.brokers, o.clients, ok = strings.Cut(*only, "/"); !ok {
		o.clients = "*"
	}
	for _, pattern := range []string{o.brokers, o.clients} {
		if _, err := path.Match(pattern, ""); err != nil {
			return o, fmt.Errorf("-only %s: %w", *only, err)
		}
	}
	if o.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return o, err
		}
		o.cache = filepath.Join(dir, "kafkavet-lab")
	}
	if o.out == "" {
		o.out = filepath.Join(o.cache, "runs")
	}
	for _, dir := range []*string{&o.cache, &o.out, &o.releases} {
		if *dir, err = filepath.Abs(*dir); err != nil {
			return o, err
		}
	}
	return o, nil
}

// askAll asks each node for its ranges, in a namespace of its own.
func askAll(ctx context.Context, o options, stdout io.Writer) error {
	chosen := nodes(o.brokers)
	if len(chosen) == 0 {
		return fmt.Errorf("no broker fits %q", o.brokers)
	}
	for _, n := range chosen {
		err := fetchRelease(ctx, o.cache, n.release)
		if err == nil {
			err = again(ctx, o, n.String(), stdout)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(stdout, "%s: %v\n", n, err)
		}
	}
	return nil
}

// again runs this program for one node, or for the scenarios, in a network namespace of its own.
func again(ctx context.Context, o options, inside string, stdout io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"-inside", inside, "-only", o.brokers + "/" + o.clients, "-cache", o.cache, "-out", o.out, "-releases", o.releases}
	if o.tables {
		args = append(args, "-tables")
	}
	if o.chaos {
		args = append(args, "-chaos")
	}
	if o.fleet {
		args = append(args, "-fleet")
	}
	cmd := exec.CommandContext(ctx, self, args...)
	said := new(buffer)
	cmd.Stdout, cmd.Stderr = stdout, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return errors.New(cmp.Or(firstLines(said.String(), 3), err.Error()))
	}
	return nil
}

// insideNamespace asks one node for its ranges, or runs the scenarios.
func insideNamespace(ctx context.Context, o options, stdout io.Writer) error {
	switch {
	case o.fleet && o.inside == fleetTruth:
		return playFleetTruth(ctx, o, stdout)
	case o.fleet:
		return insideFleet(ctx, o, stdout)
	case !o.tables:
		return insideChaos(ctx, o, stdout)
	}
	if out, err := exec.CommandContext(ctx, "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	return withCluster(ctx, o, o.inside, func(c *cluster) error {
		tables, err := c.ranges(ctx)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(o.releases, 0o755); err != nil {
			return err
		}
		for _, t := range tables {
			fmt.Fprintf(stdout, "%s %s: %d APIs, %d features\n", t.release, t.mode, len(t.apis), len(t.features))
			if err := t.write(o.releases); err != nil {
				return err
			}
		}
		return nil
	})
}

// withCluster starts a node by its name, calls use, and stops it.
func withCluster(ctx context.Context, o options, name string, use func(*cluster) error) error {
	found := nodes(name)
	if len(found) != 1 {
		return fmt.Errorf("no broker %q; add the mode, as in 3.9.2-kraft", name)
	}
	dir, err := os.MkdirTemp("", "kafkavet-lab-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := startCluster(ctx, site{node: found[0], host: host}, o.java, o.cache, dir)
	if err == nil {
		err = use(c)
	}
	return errors.Join(err, c.stop())
}

// hold starts a node and waits for an interrupt.
func hold(ctx context.Context, o options, stdout io.Writer) error {
	for _, n := range nodes(o.hold) {
		if err := fetchRelease(ctx, o.cache, n.release); err != nil {
			return err
		}
	}
	return withCluster(ctx, o, o.hold, func(c *cluster) error {
		if err := c.prepare(ctx); err != nil {
			return err
		}
		if err := c.createTopic(ctx, "lab"); err != nil {
			return err
		}
		for _, l := range []listener{plaintext, ssl, saslPlain, scram256, scram512, saslSSL} {
			fmt.Fprintln(stdout, strings.Join(l.environment(host, "lab", "lab", c.file("ca.pem"), "", c.release), " "))
		}
		<-ctx.Done()
		return nil
	})
}

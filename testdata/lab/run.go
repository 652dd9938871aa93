package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// clientTime is when a client that still runs is killed: its own watchdog is at 18 s.
	clientTime = 30 * time.Second
	// installTime bounds the building of one client.
	installTime = 15 * time.Minute
	// maxOutput and maxBrokerLog are how many lines the manifest holds of each.
	maxOutput, maxBrokerLog = 20, 8
)

// secretText is what must not get into the manifest.
var secretText = regexp.MustCompile(`secret-[0-9A-Za-z]+`)

// aboutVersions are the lines of a broker's log that say something about a request's version.
var aboutVersions = regexp.MustCompile(`(?i)apiVersion|UnsupportedVersion|unsupported version|is not (enabled|supported)|Exception while processing|error getting request|Failed authentication`)

// install installs the clients that the chosen nodes need, and returns what went wrong with each.
func install(ctx context.Context, o options, chosen []node, stdout io.Writer) map[string]error {
	needed := map[string]bool{}
	for _, n := range chosen {
		for _, c := range combinations(n, o.clients) {
			needed[c.client.Name] = c.reason == ""
		}
	}
	return installAll(ctx, o, needed, stdout)
}

// installAll installs clients by their names, and returns what went wrong with each.
func installAll(ctx context.Context, o options, needed map[string]bool, stdout io.Writer) map[string]error {
	problems := map[string]error{}
	for _, c := range clients() {
		if !needed[c.Name] || c.Unusable != "" {
			continue
		}
		if ctx.Err() != nil {
			break // what is there must stay: installing begins with an empty folder
		}
		limited, cancel := context.WithTimeout(ctx, installTime)
		if err := c.Install(limited, o.cache); err != nil {
			fmt.Fprintf(stdout, "install %s: %v\n", c.Name, err)
			problems[c.Name] = err
		}
		cancel()
	}
	return problems
}

// installedFile tells the program inside the namespace which clients could not be installed.
func installedFile(o options) string { return filepath.Join(o.out, "not-installed.json") }

func writeInstalled(o options, problems map[string]error) error {
	said := map[string]string{}
	for name, err := range problems {
		said[name] = firstLines(err.Error(), 3)
	}
	data, err := json.Marshal(said)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	return os.WriteFile(installedFile(o), data, 0o644)
}

// runClients runs all clients that belong to a node, one after the other.
func runClients(ctx context.Context, o options, c *cluster, stdout io.Writer) error {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	problems := map[string]string{}
	data, err := os.ReadFile(installedFile(o))
	if err == nil {
		err = json.Unmarshal(data, &problems)
	}
	if err != nil {
		return err
	}
	var entries []entry
	for i, combination := range combinations(c.node, o.clients) {
		e := entry{
			Broker: c.String(), Client: combination.client.Name, Library: combination.client.Library,
			Listener: combination.listener.security, Mechanism: combination.listener.mechanism,
		}
		switch problem := problems[combination.client.Name]; {
		case combination.reason != "":
			e.Outcome, e.Reason = notRun, combination.reason
		case problem != "":
			e.Outcome, e.Reason = notRun, problem
		default:
			if err := c.runOne(ctx, o, combination, fmt.Sprintf("lab-%d", i), &e); err != nil {
				e.Outcome, e.Reason = noRecord, err.Error()
			}
		}
		fmt.Fprintf(stdout, "%-16s %-34s %-28s %-8s %5.1f s %7d bytes %s\n", e.Broker, e.Client, strings.TrimSpace(e.Listener+" "+e.Mechanism), e.Outcome, e.Seconds, e.Bytes, e.Reason)
		entries = append(entries, e)
		if err := writePart(o, c.node, entries); err != nil {
			return err
		}
	}
	return nil
}

// runOne runs a client against the cluster and records it.
func (c *cluster) runOne(ctx context.Context, o options, x combination, topic string, e *entry) error {
	if err := c.createTopic(ctx, topic); err != nil {
		return err
	}
	name := captureName(c.node, x)
	capture := filepath.Join(o.out, name+".pcap")
	keys := keysOf(capture)
	if err := os.Remove(keys); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := quiet(x.listener.port); err != nil {
		return err
	}
	logged, keyed := c.size(brokerLog), c.size(brokerKeys)
	rec, err := record(ctx, x.listener.port, capture)
	if err != nil {
		return err
	}
	e.runClient(x.client.Command(ctx, o.cache), x.listener.environment(c.host, topic, topic+"-group", c.file("ca.pem"), x.listener.keyLog(keys), c.release))
	if err := rec.stop(); err != nil {
		return err
	}
	e.Capture = filepath.Base(capture)
	info, err := os.Stat(capture)
	if err != nil {
		return err
	}
	e.Bytes = info.Size()
	said, err := c.since(brokerLog, logged)
	if err != nil {
		return err
	}
	e.BrokerLog = aboutClient(said)
	return c.keepKeys(ctx, x.listener, capture, keys, keyed, e)
}

// patience multiplies all time limits of clients, on a busy machine: they read LAB_PATIENCE, too.
func patience() time.Duration {
	n, err := strconv.Atoi(os.Getenv("LAB_PATIENCE"))
	if err != nil || n < 1 {
		return 1
	}
	return time.Duration(n)
}

// runClient runs the client and notes how it ended.
func (e *entry) runClient(cmd *exec.Cmd, environment []string) {
	e.run(cmd, environment, clientTime*patience(), func() {})
}

// run runs the client, calls started when it runs or cannot, and notes how it ended.
func (e *entry) run(cmd *exec.Cmd, environment []string, limit time.Duration, started func()) {
	out := new(buffer)
	cmd.Env = append(cmd.Environ(), environment...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	begun := time.Now()
	err := cmd.Start()
	started()
	if err != nil {
		e.Outcome, e.Reason = notRun, err.Error()
		return
	}
	tooLong := time.AfterFunc(limit, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // with what it started
	err = cmd.Wait()
	inTime := tooLong.Stop()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
	e.Seconds = float64(time.Since(begun).Round(100*time.Millisecond)) / float64(time.Second)
	e.Exit = cmd.ProcessState.ExitCode()
	e.Output = trimmed(out.String(), maxOutput)
	switch {
	case !inTime:
		e.Outcome = killed
	case err != nil:
		e.Outcome = failed
	default:
		e.Outcome = allWell
	}
}

// size is the size of one of the cluster's files, 0 when it is not there.
func (c *cluster) size(name string) int64 {
	info, err := os.Stat(c.file(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// since is what was written to one of the cluster's files behind a position.
func (c *cluster) since(name string, position int64) (string, error) {
	data, err := os.ReadFile(c.file(name))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(data[min(position, int64(len(data))):]), err
}

// aboutClient are the lines of a broker's log that say something about a client's
// requests, once each: without time, and without what the two ends are called.
func aboutClient(log string) []string {
	var kept []string
	for line := range strings.Lines(log) {
		if !aboutVersions.MatchString(line) {
			continue
		}
		if strings.HasPrefix(line, "[") {
			_, line, _ = strings.Cut(line, "] ")
		}
		line = connectionName.ReplaceAllString(line, "$1:PORT")
		for _, l := range trimmed(line, 1) {
			if !slices.Contains(kept, l) && len(kept) < maxBrokerLog {
				kept = append(kept, l)
			}
		}
	}
	return kept
}

// connectionName is the client's end and the running number in Kafka's names of connections.
var connectionName = regexp.MustCompile(`(127\.0\.0\.1):\d{5}(-\d+)*`)

// captureName names a combination's files: lab_CLIENT_kafka-RELEASE and the listener.
func captureName(n node, x combination) string {
	name := "lab_" + x.client.Name + "_kafka-" + n.version
	if len(n.modes) > 1 {
		name += "-" + string(n.mode)
	}
	return name + x.listener.suffix
}

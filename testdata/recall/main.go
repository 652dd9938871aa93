// Command recall measures how many requests kafkavet still lists when packets
// of a capture are lost or cut short, and whether it ever lists one that was
// not there. It rewrites every capture in testdata/captures.
//
//	go run ./testdata/recall -kafkavet ./kafkavet [-seeds N] [-check]
//
// With -check it exits with 1 where a request was invented, or less than 95 %
// were listed at 2 % loss; 2 means that the measurement itself failed.
package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// A damage is one thing done to every capture.
type damage struct {
	name string
	// random: every seed gives another result.
	random bool
	do     func(packets []capturetest.Packet, seed uint64) []capturetest.Packet
}

// damages are those that are measured. The captures are small, with few packets
// for each request, so a lost packet costs more here than in bulk traffic.
func damages() []damage {
	var all []damage
	for _, percent := range []float64{0.1, 1, 2, 5} {
		all = append(all, damage{fmt.Sprintf("%g %% of the packets lost", percent), true, func(p []capturetest.Packet, seed uint64) []capturetest.Packet {
			return capturetest.Lose(p, seed, percent/100)
		}})
	}
	for _, n := range []int{96, 128, 256} {
		all = append(all, damage{fmt.Sprintf("snaplen %d", n), false, func(p []capturetest.Packet, _ uint64) []capturetest.Packet {
			return capturetest.Snap(p, n)
		}})
	}
	return all
}

// goal is the share of requests that must still be listed with the damage goalAt.
const (
	goal   = 0.95
	goalAt = "2 % of the packets lost"
)

// request is what makes a request the same one in two captures: frame and
// stream numbers change when packets are missing, and a client id can be cut short.
type request struct{ client, broker, key, version, correlationID string }

// tally counts requests over captures.
type tally struct{ whole, listed, invented int }

func main() {
	kafkavet := flag.String("kafkavet", "./kafkavet", "the program to measure")
	dir := flag.String("dir", "testdata/captures", "the captures, *.pcap, each with the key log *.keys beside it where it has one")
	seeds := flag.Uint64("seeds", 20, "how often packets are lost at random from each capture")
	check := flag.Bool("check", false, "exit with 1 where the goal is missed")
	flag.Parse()
	ok, err := run(*kafkavet, *dir, *seeds)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "recall:", err)
		os.Exit(2)
	case *check && !ok:
		os.Exit(1)
	}
}

// run measures and prints. ok is false where the goal is missed.
func run(kafkavet, dir string, seeds uint64) (ok bool, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
	if err != nil || len(paths) == 0 {
		return false, fmt.Errorf("no captures in %s: %w", dir, errors.Join(err, os.ErrNotExist))
	}
	temporary, err := os.MkdirTemp("", "kafkavet-recall-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	m := measurer{kafkavet, filepath.Join(temporary, "damaged.pcap")}
	all := damages()
	plain, encrypted := make([]tally, len(all)), make([]tally, len(all))
	for _, path := range paths {
		tallies := plain
		if m.keys(path) != "" {
			tallies = encrypted
		}
		if err := m.capture(path, all, seeds, tallies); err != nil {
			return false, err
		}
	}
	ok = true
	fmt.Printf("%-28s %21s %9s   %21s %9s\n", "requests still listed", "in the clear", "invented", "TLS", "invented")
	for i, d := range all {
		fmt.Printf("%-28s %s   %s\n", d.name, plain[i], encrypted[i])
		ok = ok && plain[i].invented+encrypted[i].invented == 0
		ok = ok && (d.name != goalAt || plain[i].share() >= goal)
	}
	if !ok {
		fmt.Printf("missed: no request may be invented, and at least %.0f %% are to be listed with %s\n", goal*100, goalAt)
	}
	return ok, nil
}

// String is a tally's part of a line.
func (t tally) String() string {
	return fmt.Sprintf("%9.2f%% %10s %9d", 100*t.share(), fmt.Sprintf("%d/%d", t.listed, t.whole), t.invented)
}

// share is the part of the requests that was listed.
func (t tally) share() float64 {
	if t.whole == 0 {
		return 1
	}
	return float64(t.listed) / float64(t.whole)
}

// measurer runs kafkavet.
type measurer struct{ kafkavet, scratch string }

// keys is the key log beside a capture, empty without one.
func (m measurer) keys(path string) string {
	keys := strings.TrimSuffix(path, ".pcap") + ".keys"
	if _, err := os.Stat(keys); err != nil {
		return ""
	}
	return keys
}

// capture damages one capture in every way and adds what is found to the tallies.
func (m measurer) capture(path string, all []damage, seeds uint64, tallies []tally) error {
	packets, err := capturetest.ReadFile(path)
	if err != nil {
		return err
	}
	whole, err := m.requests(path, m.keys(path))
	if err != nil {
		return err
	}
	for i, d := range all {
		runs := seeds
		if !d.random {
			runs = 1
		}
		for seed := range runs {
			left := d.do(packets, seed)
			if len(left) == 0 {
				continue
			}
			if err := os.WriteFile(m.scratch, capturetest.Pcap{}.Encode(left), 0o600); err != nil {
				return err
			}
			found, err := m.requests(m.scratch, m.keys(path))
			if err != nil {
				return fmt.Errorf("%s, %s, seed %d: %w", path, d.name, seed, err)
			}
			for r, n := range found {
				tallies[i].listed += min(n, whole[r])
				if n > whole[r] {
					tallies[i].invented += n - whole[r]
					fmt.Printf("invented: %s, %s, seed %d: %+v\n", path, d.name, seed, r)
				}
			}
			for _, n := range whole {
				tallies[i].whole += n
			}
		}
	}
	return nil
}

// requests are those that kafkavet lists for a capture.
func (m measurer) requests(path, keys string) (map[request]int, error) {
	args := []string{"requests", "--format", "tsv"}
	if keys != "" {
		args = append(args, "--tls-keylog", keys)
	}
	cmd := exec.Command(m.kafkavet, append(args, path)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	var exit *exec.ExitError
	const findings = 1 // the exit code for findings is no failure
	if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != findings) {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, said.Bytes())
	}
	r := csv.NewReader(&out)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("%s: output without a header: %w", path, errors.Join(err, errors.New(said.String())))
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	found := map[request]int{}
	for _, row := range rows[1:] {
		found[request{
			row[column["client"]], row[column["broker"]],
			row[column["api_key"]], row[column["version"]], row[column["correlation_id"]],
		}]++
	}
	return found, nil
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
)

// fleetTarget is the release of newest, for --target.
const fleetTarget = "kafka-4.4.0"

// check merges the reports and compares the result with what the lab knows: its clients, what the
// newer broker made of them, the router's recording, and when a sniffer was killed.
func (f *fleet) check(ctx context.Context) error {
	rep, err := f.merge(ctx)
	if err != nil {
		return err
	}
	alone, err := readManifest(filepath.Join(f.folder, manifestFile))
	if err != nil {
		return err
	}
	problems := checkMembers(rep, f.members, alone)
	for _, m := range f.members {
		row := rowsOf(rep, m.id)
		verdict, apis := "-", ""
		if len(row) > 0 {
			verdict, apis = row[0].Verdict, strings.Join(refusedOf(row[0]), ", ")
		}
		e := entryOf(alone, m.client.Name)
		fmt.Fprintf(f.stdout, "%-32s %-8s %-8s %-7s %s | alone: %s %s\n", m.id, m.host.name, m.host.way, verdict, apis, e.Outcome, strings.Join(e.BrokerLog, ", "))
	}
	known, err := connectionsWithPayload(ctx, f.routerFile())
	if err != nil {
		return err
	}
	sum := 0
	for _, h := range f.all() {
		r, err := readReport(h.report)
		if err != nil {
			return err
		}
		sum += int(r.Summary.KafkaStreams)
		if !h.killed.IsZero() {
			lost, err := checkKilled(r, h.killed)
			if err != nil {
				problems = append(problems, err)
			}
			fmt.Fprintf(f.stdout, "the sniffer of %s, killed, lost the last %v\n", h.name, lost)
		}
	}
	if int(rep.Summary.KafkaStreams) != known {
		problems = append(problems, fmt.Errorf("%d connections in the merged report, %d on the router", rep.Summary.KafkaStreams, known))
	}
	if sum <= known {
		problems = append(problems, fmt.Errorf("%d connections in all reports: none was captured twice", sum))
	}
	if u := rep.Uncaptured(0); len(u.Nodes) > 0 || u.Unknown > 0 || u.All != len(f.brokers) {
		problems = append(problems, fmt.Errorf("%d brokers, not captured: %+v", u.All, u))
	}
	fmt.Fprintf(f.stdout, "%d clients, of which %d processes are named, %d rows; %d connections that %d hosts counted %d times; %d problems\n",
		len(f.members), named(rep, f.members), len(rep.Target.Clients), rep.Summary.KafkaStreams, len(f.all()), sum, len(problems))
	return errors.Join(problems...)
}

// merge merges the reports of all hosts, in two orders and by a tree: the result is the same.
func (f *fleet) merge(ctx context.Context) (*model.Report, error) {
	var reports []string
	for _, h := range f.all() {
		reports = append(reports, h.report)
	}
	run := func(name string, reports ...string) (string, error) {
		file := filepath.Join(f.folder, name)
		out, err := exec.CommandContext(ctx, kafkavetIn(f.o), append([]string{"merge", "--fail-on", "never", "-o", file}, reports...)...).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("merge %s: %w: %s", name, err, out)
		}
		return file, nil
	}
	all, err := run("merged.json", reports...)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"merged.csv", "merged.html"} {
		if _, err := run(name, reports...); err != nil {
			return nil, err
		}
	}
	left, err := run("left.json", reports[:5]...)
	if err != nil {
		return nil, err
	}
	slices.Reverse(reports)
	tree, err := run("tree.json", append(reports[:len(reports)-5], left)...)
	if err != nil {
		return nil, err
	}
	a, err := os.ReadFile(all)
	if err != nil {
		return nil, err
	}
	if b, err := os.ReadFile(tree); err != nil || !bytes.Equal(a, b) {
		return nil, fmt.Errorf("%s and %s differ: %w", all, tree, err)
	}
	return readReport(all)
}

// readReport reads a report in JSON.
func readReport(file string) (*model.Report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(model.Report)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// rowsOf are the rows of a client id.
func rowsOf(rep *model.Report, id string) (rows []model.TargetClient) {
	for _, c := range rep.Target.Clients {
		if slices.Contains(c.ClientIDs, id) {
			rows = append(rows, c)
		}
	}
	return rows
}

// refusedOf are the requests that decide the verdict, as in the broker's log.
func refusedOf(c model.TargetClient) (all []string) {
	for _, use := range c.APIs {
		all = append(all, fmt.Sprintf("%s v%d", use.Name, use.Version))
	}
	return all
}

// entryOf is what became of a client alone.
func entryOf(alone []entry, client string) entry {
	for _, e := range alone {
		if e.Client == client {
			return e
		}
	}
	return entry{Outcome: notRun}
}

// labID is the client id of the lab itself, as franz-go has it by default.
const labID = "kgo"

// named counts the members whose process is named. Those that are done in a moment can be missed.
func named(rep *model.Report, members []*member) (n int) {
	for _, m := range members {
		for _, row := range rowsOf(rep, m.id) {
			if slices.ContainsFunc(row.Processes, func(p model.Process) bool { return p.PID == m.pid }) {
				n++
			}
		}
	}
	return n
}

// checkMembers compares the rows with the clients. Each client has one row, with no process except
// its own and HAProxy's. The verdict is what a broker of the target did. All other rows are those
// of the lab and of brokers.
func checkMembers(rep *model.Report, members []*member, alone []entry) (problems []error) {
	known := map[string]bool{labID: true}
	for _, m := range members {
		known[m.id] = true
		rows := rowsOf(rep, m.id)
		if len(rows) != 1 {
			problems = append(problems, fmt.Errorf("%s: %d rows", m.id, len(rows)))
			continue
		}
		row := rows[0]
		for _, p := range row.Processes {
			if p.PID != m.pid && p.Command != "haproxy" {
				problems = append(problems, fmt.Errorf("%s: its process is %d, not %+v", m.id, m.pid, p))
			}
		}
		if m.length > 0 && len(row.Processes) == 0 {
			problems = append(problems, fmt.Errorf("%s: its process is not named", m.id))
		}
		if why := compareVerdict(row, entryOf(alone, m.client.Name)); why != "" {
			problems = append(problems, fmt.Errorf("%s: %s", m.id, why))
		}
	}
	for _, c := range rep.Target.Clients {
		if c.Role == "" && (len(c.ClientIDs) != 1 || !known[c.ClientIDs[0]]) {
			problems = append(problems, fmt.Errorf("a row of nobody: %+v", c))
		}
	}
	return problems
}

// compareVerdict says how a verdict differs from what the target's broker did, empty for no
// difference.
func compareVerdict(row model.TargetClient, e entry) string {
	breaks := row.Verdict == model.VerdictBreaks || row.Verdict == model.VerdictLikely
	switch deciding := refusedOf(row); {
	case breaks != (len(e.BrokerLog) > 0):
		return fmt.Sprintf("verdict %s, but the broker refused %q (%s)", row.Verdict, e.BrokerLog, e.Outcome)
	case !breaks && e.Outcome != allWell:
		return fmt.Sprintf("verdict %s, but it %s: %q", row.Verdict, e.Outcome, e.Output)
	default:
		for _, said := range e.BrokerLog {
			if api, _, _ := strings.Cut(said, " x"); !slices.Contains(deciding, api) {
				return fmt.Sprintf("%q decide, but the broker refused %s", deciding, api)
			}
		}
	}
	return ""
}

// late is how much time a sniffer may take to see and to write what is in its report.
const late = time.Second

// checkKilled holds a report against the time when its sniffer was killed: traffic never stopped.
func checkKilled(r *model.Report, killed time.Time) (lost time.Duration, err error) {
	last := r.Captures[0].Last
	if last == nil {
		return 0, errors.New("the killed sniffer left nothing")
	}
	if lost = killed.Sub(time.Unix(0, int64(*last))); lost > reportEvery+late {
		err = fmt.Errorf("the killed sniffer lost %v", lost)
	}
	return lost, err
}

// connectionsWithPayload counts the connections in a recording that carried anything. One that was
// recorded on both sides of the router counts once, by the first sequence number of its client.
func connectionsWithPayload(ctx context.Context, file string) (int, error) {
	fields := func(filter string, names ...string) ([][]string, error) {
		args := []string{"-r", file, "-n", "-Y", filter, "-T", "fields"}
		for _, name := range names {
			args = append(args, "-e", name)
		}
		out, err := exec.CommandContext(ctx, "tshark", args...).Output()
		var rows [][]string
		for line := range strings.Lines(string(out)) {
			rows = append(rows, strings.Fields(line))
		}
		return rows, err
	}
	ports := fmt.Sprintf("tcp.port in {%d,%d,%d,%d..%d}", internalPort, plaintext.port, proxied.port-proxyOffset, fleetProxyPort, fleetProxyPort+2)
	with, err := fields(ports+" && tcp.len > 0", "tcp.stream")
	if err != nil {
		return 0, err
	}
	carries := map[string]bool{}
	for _, row := range with {
		carries[row[0]] = true
	}
	begun, err := fields(ports+" && tcp.flags.syn == 1 && tcp.flags.ack == 0", "tcp.stream", "tcp.seq_raw")
	if err != nil {
		return 0, err
	}
	first := map[string]bool{}
	for _, row := range begun {
		if carries[row[0]] {
			first[row[1]] = true
		}
	}
	return len(first), nil
}

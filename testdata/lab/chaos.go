package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// class is the kind of truth that a scenario's captures have, and their folder.
type class string

const (
	// health: the versions of client and broker fit, and no one set anything wrong.
	health class = "health"
	// trouble: one known thing is the matter.
	trouble class = "trouble"
	// pairs: a client and a broker over TLS, and nothing else happens.
	pairs class = "tls"
	// plain: a client and a broker of the table of combinations, and nothing else happens.
	plain class = ""
)

// scenario is what happens to brokers, network and clients while clients work. Each
// client has a network of its own and is recorded there.
type scenario struct {
	name  string
	class class
	// nodes are the brokers at the beginning: one, or all of a cluster.
	nodes    []string
	listener listener
	// config is added to each broker's configuration.
	config []string
	// clients are patterns of names; own are clients of this scenario alone.
	clients []string
	own     []Client
	// length is how long the clients send and consume; 0 has them do the three steps once.
	length time.Duration
	// from and to are when recording begins and ends, measured from the clients' start; 0 has all
	// recorded.
	from, to time.Duration
	// environment is added to that of each client.
	environment []string
	// proxy stands between clients and broker, on the port of the scenario's listener.
	proxy func(ctx context.Context, s *stage) (stop func() error, err error)
	// port is where clients connect to, unless it is the listener's.
	port int
	acts []act
	// whole has all clients recorded together, too, where the brokers are.
	whole bool
	// truth is what is right to say of the captures; evident reports that it is so even
	// where the client does all its steps, byLog that it is so only where the broker's log has a
	// refusal.
	truth          truth
	evident, byLog bool
}

// act is something that happens some time after the clients' start.
type act struct {
	at time.Duration
	do func(ctx context.Context, s *stage) error
}

// stage is a scenario being played.
type stage struct {
	scenario
	o        options
	dir      string
	clusters []*cluster
	players  []*player
	// together is the recording of all players, nil for most scenarios.
	together *player
	// logs are where in which brokers' logs the scenario begins.
	logs   []logFrom
	stdout io.Writer
}

// logFrom is a part of a broker's log and of the TLS secrets beside it.
type logFrom struct {
	c          *cluster
	log, keyed int64
}

// player is a client in a scenario.
type player struct {
	entry
	client  Client
	room    *room
	topic   string
	capture string
	// begun is closed when the process runs.
	begun chan struct{}
	cmd   *exec.Cmd
}

// stagger is between the starts of two clients: those of a steady run live through the same
// events, the others need not be there together.
func (s scenario) stagger() time.Duration {
	if s.length > 0 {
		return 150 * time.Millisecond
	}
	return 600 * time.Millisecond
}

// hostsFile has the names of the brokers' addresses, for Java.
const hostsFile = "hosts"

// chaosTime bounds a client beyond the length of its scenario.
const chaosTime = 30 * time.Second

// runChaos installs what the chosen scenarios need and plays them in a namespace of their own.
func runChaos(ctx context.Context, o options, stdout io.Writer) error {
	chosen := chosenScenarios(o)
	if len(chosen) == 0 {
		return fmt.Errorf("no scenario fits %q", o.brokers)
	}
	if err := fetch(ctx, filepath.Join(o.cache, "agent"), keyLogAgent); err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, s := range chosen {
		for _, name := range append(slices.Clone(s.nodes), chaosLater[s.name]...) {
			for _, n := range nodes(name) {
				if err := fetchRelease(ctx, o.cache, n.release); err != nil {
					return err
				}
			}
		}
		for _, c := range s.fitting(o.clients) {
			needed[c.Name] = true
		}
	}
	installAll(ctx, o, needed, stdout)
	return again(ctx, o, "chaos", stdout)
}

// chosenScenarios are those whose name fits the first half of -only: the combinations of the nodes
// that fit, or with -chaos the others.
func chosenScenarios(o options) []scenario {
	var all []scenario
	if !o.chaos {
		for _, s := range combinations(o.brokers) {
			if len(s.fitting(o.clients)) > 0 {
				all = append(all, s)
			}
		}
		return all
	}
	for _, s := range scenarios() {
		if ok, _ := path.Match(o.brokers, s.name); ok && len(s.fitting(o.clients)) > 0 { // main has tried the pattern
			all = append(all, s)
		}
	}
	return all
}

// fitting are the scenario's clients that fit a pattern, too.
func (s scenario) fitting(pattern string) []Client {
	var all []Client
	for _, c := range append(clients(), s.own...) {
		fits, _ := path.Match(pattern, c.Name)
		listed := slices.ContainsFunc(s.own, func(o Client) bool { return o.Name == c.Name }) || slices.ContainsFunc(s.clients, func(p string) bool { ok, _ := path.Match(p, c.Name); return ok })
		if fits && listed {
			all = append(all, c)
		}
	}
	return all
}

// insideChaos plays the chosen scenarios one after the other. Those with equal
// brokers share them, unless one leaves them in another state.
func insideChaos(ctx context.Context, o options, stdout io.Writer) (err error) {
	if err := chaosNetwork(ctx); err != nil {
		return err
	}
	var clusters []*cluster
	var dir, key string
	drop := func() {
		for _, c := range clusters {
			err = errors.Join(err, c.stop())
		}
		clusters = nil
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
	defer func() { drop() }()
	for _, sc := range chosenScenarios(o) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s := &stage{scenario: sc, o: o, stdout: stdout}
		if now := fmt.Sprint(sc.nodes, sc.config); now != key || !allRun(clusters) {
			drop()
			key = now
			if dir, err = os.MkdirTemp("", "kafkavet-chaos-"); err != nil {
				return err
			}
			if clusters, err = startAll(ctx, sc, o, dir); err != nil {
				fmt.Fprintf(stdout, "%s: %v\n", sc.name, err)
				key, err = "", nil
				continue
			}
		}
		s.dir, s.clusters = dir, clusters
		if err := s.play(ctx); err != nil {
			fmt.Fprintf(stdout, "%s: %v\n", sc.name, err)
			key = ""
		}
		clusters = s.clusters
		if slices.ContainsFunc(clusters, func(c *cluster) bool { return c.changed }) {
			key = ""
		}
	}
	return nil
}

// allRun reports whether there are brokers and each of them runs.
func allRun(clusters []*cluster) bool {
	for _, c := range clusters {
		if c.broker == nil || c.broker.Process == nil || ended(c.broker.Process.Pid) {
			return false
		}
	}
	return len(clusters) > 0
}

// startAll starts the brokers of a scenario.
func startAll(ctx context.Context, sc scenario, o options, dir string) ([]*cluster, error) {
	var all []*cluster
	for i, name := range sc.nodes {
		found := nodes(name)
		if len(found) != 1 {
			return all, fmt.Errorf("no broker %q", name)
		}
		of, err := scratch(dir, fmt.Sprintf("node%d", i+1))
		if err != nil {
			return all, err
		}
		c, err := newCluster(ctx, site{node: found[0], host: chaosHost(i + 1), number: i + 1, total: len(sc.nodes), config: sc.config}, o.java, o.cache, of)
		all = append(all, c)
		if err != nil {
			return all, err
		}
		if err := c.launchAll(ctx); err != nil {
			return all, err
		}
	}
	for _, c := range all {
		if err := c.ready(ctx, 0); err != nil {
			return all, err
		}
	}
	return all, all[0].prepare(ctx)
}

// play runs the clients, records them, runs the acts, and keeps the captures.
func (s *stage) play(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	folder := filepath.Join(s.o.out, string(s.class))
	stop, err := s.set(ctx, folder)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	var all *recording
	if s.whole {
		if all, err = s.recordAll(ctx, folder); err != nil {
			return err
		}
	}
	var busy sync.WaitGroup
	failures := make(chan error, len(s.players)+1)
	start := time.Now()
	for _, p := range s.players {
		busy.Go(func() { failures <- s.perform(ctx, p) })
		time.Sleep(s.stagger())
	}
	for _, p := range s.players {
		<-p.begun
	}
	acted := make(chan error, 1)
	go func() { acted <- s.runActs(ctx, start) }()
	busy.Wait()
	if all != nil {
		failures <- all.stop()
	}
	if err := <-acted; err != nil {
		return err
	}
	close(failures)
	for err := range failures {
		if err != nil {
			fmt.Fprintf(s.stdout, "%s: %v\n", s.name, err)
		}
	}
	return s.keep(folder)
}

// set prepares the folder, the proxy and the clients' rooms. The function that it returns
// removes them, also after an error.
func (s *stage) set(ctx context.Context, folder string) (stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var err error
		for _, f := range stops {
			err = errors.Join(err, f())
		}
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return stop, err
	}
	hosts := ""
	for i := range 3 {
		hosts += chaosHost(i+1) + " localhost\n"
	}
	if err := os.WriteFile(filepath.Join(s.dir, hostsFile), []byte(hosts), 0o644); err != nil {
		return stop, err
	}
	for _, c := range s.clusters {
		s.follow(c)
	}
	if s.proxy != nil {
		f, err := s.proxy(ctx, s)
		if err != nil {
			return stop, err
		}
		stops = append(stops, f)
	}
	for i, client := range s.fitting(s.o.clients) {
		p, err := s.newPlayer(ctx, i+1, client, folder)
		if p != nil {
			stops = append(stops, p.room.close)
		}
		if err != nil {
			return stop, err
		}
		s.players = append(s.players, p)
	}
	return stop, nil
}

// recordAll begins to record all clients together.
func (s *stage) recordAll(ctx context.Context, folder string) (*recording, error) {
	p := &player{entry: s.players[0].entry}
	p.Client, p.Library, p.Outcome = "all", "", allWell
	p.capture = filepath.Join(folder, s.captureName(Client{Name: p.Client}, s.clusters[0].node))
	s.together = p
	return tcpdump(ctx, here, "any", "net 10.78.0.0/16 and tcp", p.capture)
}

// runActs runs the acts at their times, counted from start.
func (s *stage) runActs(ctx context.Context, start time.Time) error {
	for _, a := range s.acts {
		select {
		case <-time.After(time.Until(start.Add(a.at))):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := a.do(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// follow notes where a broker's log is now.
func (s *stage) follow(c *cluster) {
	s.logs = append(s.logs, logFrom{c, c.size(brokerLog), c.size(brokerKeys)})
}

// newPlayer makes a client's room, topic and names.
func (s *stage) newPlayer(ctx context.Context, number int, client Client, folder string) (*player, error) {
	r, err := openRoom(ctx, number)
	if err != nil {
		return nil, err
	}
	p := &player{client: client, room: r, topic: "lab-" + s.name + "-" + client.Name, begun: make(chan struct{})}
	n := s.clusters[0].node
	p.entry = entry{Broker: n.String(), Client: client.Name, Library: client.Library, Listener: s.listener.security, Mechanism: s.listener.mechanism}
	p.capture = filepath.Join(folder, s.captureName(client, n))
	if err := os.Remove(keysOf(p.capture)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return p, err
	}
	return p, s.clusters[0].createTopic(ctx, p.topic)
}

// captureName is SCENARIO_CLIENT_kafka-RELEASE[_tls][_sasl-...].pcap.
func (s scenario) captureName(client Client, n node) string {
	name := s.name
	switch s.class {
	case pairs:
		name, _, _ = strings.Cut(name, "-") // the rest is the node and the listener
	case plain:
		name = "lab"
	}
	name += "_" + client.Name + "_kafka-" + n.version
	if len(n.modes) > 1 {
		name += "-" + string(n.mode)
	}
	return name + s.listener.suffix + ".pcap"
}

// perform runs one client and records it.
func (s *stage) perform(ctx context.Context, p *player) error {
	begin := func() (*recording, error) { return tcpdump(ctx, p.room.inside, "eth0", "tcp", p.capture) }
	var rec *recording
	var err error
	if s.from == 0 {
		rec, err = begin()
	}
	if err != nil {
		close(p.begun)
		return err
	}
	var timers sync.WaitGroup
	var late error
	if s.from > 0 {
		timers.Go(func() { time.Sleep(s.from); rec, late = begin() })
	}
	if s.to > 0 {
		timers.Go(func() {
			time.Sleep(s.to)
			late = errors.Join(late, rec.stop())
			rec = nil
		})
	}
	cmd := p.room.inside(p.client.Command(ctx, s.o.cache))
	port := s.listener
	if s.port != 0 {
		port.port = s.port
	}
	c := s.clusters[0]
	environment := port.environment(c.host, p.topic, p.topic+"-group", c.file("ca.pem"), s.listener.keyLog(keysOf(p.capture)), c.release)
	// Java asks for the name of the broker's address, and no one here would answer for 10 s.
	environment = append(environment, "JAVA_TOOL_OPTIONS=-Djdk.net.hosts.file="+filepath.Join(s.dir, hostsFile))
	if s.length > 0 {
		environment = append(environment, "LAB_PAUSE=500", fmt.Sprintf("LAB_STEADY=%d", s.length.Milliseconds()))
	}
	p.cmd = cmd
	p.run(cmd, append(environment, s.environment...), s.length+chaosTime*patience(), func() { close(p.begun) })
	timers.Wait()
	if rec != nil {
		late = errors.Join(late, rec.stop())
	}
	return late
}

// each signals all clients' processes.
func (s *stage) each(signal syscall.Signal) {
	for _, p := range s.players {
		if p.cmd != nil && p.cmd.Process != nil {
			_ = syscall.Kill(-p.cmd.Process.Pid, signal) // one that has ended has ended
		}
	}
}

// summary is a line of what came of a client.
func (p *player) summary(name string) string {
	last := ""
	if n := len(p.Output); n > 0 {
		last = p.Output[n-1]
	}
	return fmt.Sprintf("%-26s %-24s %-16s %-8s %5.1f s %8d bytes %s", name, p.Client, strings.TrimSpace(p.Listener+" "+p.Mechanism), p.Outcome, p.Seconds, p.Bytes, last)
}

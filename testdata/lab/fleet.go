package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// fleetHosts is how many hosts of clients there are, fleetSize how many clients.
	fleetHosts, fleetSize = 10, 40
	// fleetAtOnce bounds the clients that run at the same time, on two cores.
	fleetAtOnce = 4
	// reportEvery is the interval of the sniffers.
	reportEvery = 2 * time.Second
	// steadyLength is how long one client sends every 100 ms. killAfter is when the sniffer of its
	// host is killed.
	steadyLength, killAfter = 20 * time.Second, 11 * time.Second
	// natAddress is what brokers see of the hosts behind address translation.
	natAddress = "10.79.0.1"
	// fleetProxyPort is HAProxy's port for the first broker; those of the others follow.
	fleetProxyPort = 19101
	// Rooms of brokers (three) and of HAProxy; clients have those from 1 on.
	brokerRoom, proxyRoom = 201, 204
	// fleetNode is what the fleet runs on.
	fleetNode = last3
	// fleetTruth is -inside for the clients on fleetTarget.
	fleetTruth = "truth"
)

// way is how a client gets to the brokers.
type way string

const (
	direct     way = "direct"
	translated way = "NAT"
	byProxy    way = "HAProxy"
)

// ways are those of the hosts, in turn.
var ways = []way{direct, translated, byProxy}

// fleet is brokers, HAProxy and clients in rooms of their own, each with a sniffer.
// This namespace is the router between the rooms.
type fleet struct {
	o           options
	dir, folder string
	stdout      io.Writer
	brokers     []*fleetHost
	proxy       *fleetHost
	hosts       []*fleetHost
	clusters    []*cluster
	members     []*member
	// stops undo what was begun, the last first.
	stops []func() error
}

// fleetHost is a room with a sniffer.
type fleetHost struct {
	*room
	name    string
	way     way
	sniffer *exec.Cmd
	said    *buffer
	report  string
	// killed is when the sniffer was killed, zero unless it was.
	killed time.Time
}

// member is a client of the fleet.
type member struct {
	entry
	id     string
	client Client
	host   *fleetHost
	// broker is where it connects first, from 0 on.
	broker int
	length time.Duration
	pid    int
}

// kafkavetIn is the program under test.
func kafkavetIn(o options) string { return filepath.Join(o.cache, "kafkavet") }

// runFleet installs what the fleet needs, asks a newer broker what it makes of the
// clients, and runs the fleet; both in namespaces of their own.
func runFleet(ctx context.Context, o options, stdout io.Writer) error {
	if err := tool(ctx, filepath.Join("..", ".."), []string{"GOWORK=off"}, "go", "build", "-o", kafkavetIn(o), "."); err != nil {
		return err
	}
	if err := fetch(ctx, filepath.Join(o.cache, "agent"), keyLogAgent); err != nil {
		return err
	}
	for _, name := range []string{fleetNode, newest} {
		if err := fetchRelease(ctx, o.cache, nodes(name)[0].release); err != nil {
			return err
		}
	}
	needed := map[string]bool{steadyClient: true}
	for _, c := range truthScenario.fitting(o.clients) {
		needed[c.Name] = true
	}
	if problems := installAll(ctx, o, needed, stdout); len(problems) > 0 {
		return fmt.Errorf("%d clients cannot be had", len(problems))
	}
	if err := again(ctx, o, fleetTruth, stdout); err != nil {
		return err
	}
	return again(ctx, o, "fleet", stdout)
}

// truthScenario is each client alone with the release to which the fleet is to be upgraded.
var truthScenario = scenario{name: "alone", class: "fleet", nodes: []string{newest}, listener: plaintext, clients: []string{"*"}}

// playFleetTruth plays truthScenario; its manifest says what became of the clients.
func playFleetTruth(ctx context.Context, o options, stdout io.Writer) (err error) {
	if err := chaosNetwork(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kafkavet-fleet-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{scenario: truthScenario, o: o, dir: dir, stdout: stdout}
	s.clusters, err = startAll(ctx, s.scenario, o, dir)
	defer func() {
		for _, c := range s.clusters {
			err = errors.Join(err, c.stop())
		}
	}()
	if err != nil {
		return err
	}
	return s.play(ctx)
}

// insideFleet runs the fleet and checks what its sniffers' reports say together.
func insideFleet(ctx context.Context, o options, stdout io.Writer) (err error) {
	f := &fleet{o: o, folder: filepath.Join(o.out, "fleet"), stdout: stdout}
	if err := os.MkdirAll(f.folder, 0o755); err != nil {
		return err
	}
	if f.dir, err = os.MkdirTemp("", "kafkavet-fleet-"); err != nil {
		return err
	}
	defer os.RemoveAll(f.dir)
	defer func() {
		for i := len(f.stops) - 1; i >= 0; i-- {
			err = errors.Join(err, f.stops[i]())
		}
	}()
	if err := f.build(ctx); err != nil {
		return err
	}
	// Headers are enough, and the buffer then holds more packets.
	router, err := tcpdump(ctx, here, "any", "tcp and not port "+fmt.Sprint(controllerPort), f.routerFile(), "-s", "128")
	if err != nil {
		return err
	}
	if err := f.start(ctx); err != nil {
		return err
	}
	if err := f.runMembers(ctx); err != nil {
		return err
	}
	for _, c := range f.clusters {
		if err := c.finish(syscall.SIGTERM); err != nil {
			return err
		}
	}
	if err := errors.Join(f.endSniffers(), router.stop()); err != nil {
		return err
	}
	return f.check(ctx)
}

// routerFile is what the router records: all connections between two rooms.
func (f *fleet) routerFile() string { return filepath.Join(f.folder, "router.pcap") }

// all are all hosts.
func (f *fleet) all() []*fleetHost {
	return append(append(append([]*fleetHost{}, f.brokers...), f.proxy), f.hosts...)
}

// build makes the rooms and the router.
func (f *fleet) build(ctx context.Context) (err error) {
	if err := ip(ctx, "link", "set", "lo", "up"); err != nil {
		return err
	}
	if err := ip(ctx, "addr", "add", natAddress+"/32", "dev", "lo"); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return err
	}
	for i := range 3 {
		h, err := f.newHost(ctx, brokerRoom+i, fmt.Sprintf("broker-%d", i+1), direct)
		if err != nil {
			return err
		}
		f.brokers = append(f.brokers, h)
		// The broker's address is not that of its cable, as with several network cards.
		if err := h.ip(ctx, "addr add "+chaosHost(i+1)+"/32 dev lo", "route replace default via "+h.gateway()+" src "+chaosHost(i+1)); err != nil {
			return err
		}
		if err := ip(ctx, "route", "add", chaosHost(i+1), "via", h.address()); err != nil {
			return err
		}
	}
	if f.proxy, err = f.newHost(ctx, proxyRoom, "haproxy", direct); err != nil {
		return err
	}
	for i := range fleetHosts {
		h, err := f.newHost(ctx, i+1, fmt.Sprintf("host-%d", i+1), ways[i%len(ways)])
		if err != nil {
			return err
		}
		f.hosts = append(f.hosts, h)
	}
	return f.translate(ctx)
}

// newHost opens a room and starts its sniffer.
func (f *fleet) newHost(ctx context.Context, number int, name string, w way) (*fleetHost, error) {
	r, err := openRoom(ctx, number)
	if err != nil {
		return nil, err
	}
	f.stops = append(f.stops, r.close)
	h := &fleetHost{room: r, name: name, way: w, said: new(buffer), report: filepath.Join(f.folder, name+".json")}
	if err := os.Remove(h.report); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	ports := fmt.Sprintf("%d,%d,%d,%d,%d,%d", internalPort, plaintext.port, proxied.port-proxyOffset, fleetProxyPort, fleetProxyPort+1, fleetProxyPort+2)
	h.sniffer = h.inside(exec.CommandContext(ctx, kafkavetIn(f.o), "sniff", "-i", "any", "--port", ports, "--target", fleetTarget,
		"--report-every", reportEvery.String(), "--fail-on", "never", "--format", "json", "-o", h.report))
	h.sniffer.Stderr = h.said
	h.sniffer.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := h.sniffer.Start(); err != nil {
		return nil, err
	}
	f.stops = append(f.stops, func() error { return end(h.sniffer) })
	for limit := time.Now().Add(20 * time.Second); !strings.Contains(h.said.String(), "watching any"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			return nil, fmt.Errorf("the sniffer of %s does not watch: %s", name, h.said)
		}
	}
	return h, nil
}

// translate has the router give one address to all hosts behind it.
func (f *fleet) translate(ctx context.Context) error {
	var behind []string
	for _, h := range f.hosts {
		if h.way == translated {
			behind = append(behind, h.address())
		}
	}
	rule := fmt.Sprintf("table ip fleet { chain out { type nat hook postrouting priority 100; ip saddr { %s } snat to %s; }; }", strings.Join(behind, ", "), natAddress)
	if out, err := exec.CommandContext(ctx, "nft", rule).CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}

// start starts HAProxy and the brokers, and makes the members.
func (f *fleet) start(ctx context.Context) error {
	config := "defaults\n mode tcp\n timeout connect 2s\n timeout client 60s\n timeout server 60s\n"
	hosts := f.proxy.address() + " localhost\n"
	for i := range f.brokers {
		config += fmt.Sprintf("listen kafka%d\n bind %s\n server broker %s\n", i+1, address(f.proxy.address(), fleetProxyPort+i), address(chaosHost(i+1), proxied.port-proxyOffset))
		hosts += chaosHost(i+1) + " localhost\n"
	}
	if err := os.WriteFile(filepath.Join(f.dir, hostsFile), []byte(hosts), 0o644); err != nil {
		return err
	}
	stop, err := startProxy(ctx, f.proxy.inside, f.dir, config, "haproxy", "-db", "-f")
	if err != nil {
		return err
	}
	f.stops = append(f.stops, stop)
	n := nodes(fleetNode)[0]
	for i, h := range f.brokers {
		dir, err := scratch(f.dir, h.name)
		if err != nil {
			return err
		}
		at := site{node: n, host: chaosHost(i + 1), number: i + 1, total: len(f.brokers), room: h.room,
			config: []string{advertisedBehind(n, chaosHost(i+1), address(f.proxy.address(), fleetProxyPort+i))}}
		c, err := newCluster(ctx, at, f.o.java, f.o.cache, dir)
		f.clusters = append(f.clusters, c)
		f.stops = append(f.stops, c.stop)
		if err == nil {
			err = c.launchAll(ctx)
		}
		if err != nil {
			return err
		}
	}
	for _, c := range f.clusters {
		if err := c.ready(ctx, 0); err != nil {
			return err
		}
	}
	return f.clusters[0].prepare(ctx)
}

// advertisedBehind is a broker's advertised.listeners, with the proxy's address for the proxied one.
func advertisedBehind(n node, host, proxy string) string {
	config, _ := n.listening(host)
	return strings.Replace(config[0], address(host, proxied.port), proxy, 1)
}

// newMembers returns the steady client and the chosen ones in turn, until the fleet is complete. If
// not all are chosen, each is taken once.
func newMembers(chosen []Client, hosts []*fleetHost, all bool) []*member {
	steady := clients()[indexOfClient(steadyClient)]
	out := []*member{{id: "app-00-steady", client: steady, host: hosts[0], length: steadyLength}}
	size := len(chosen) + 1
	if all {
		size = fleetSize
	}
	for i := 1; i < size; i++ {
		c := chosen[(i-1)%len(chosen)]
		out = append(out, &member{id: fmt.Sprintf("app-%02d-%s", i, c.Name), client: c, host: hosts[i%len(hosts)], broker: i % 3})
	}
	return out
}

// steadyClient is the client that sends all the time.
const steadyClient = "franz-go-1.22.3"

func indexOfClient(name string) int {
	for i, c := range clients() {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// runMembers runs the clients, a few at a time, and kills the sniffer beside the steady one.
func (f *fleet) runMembers(ctx context.Context) error {
	f.members = newMembers(truthScenario.fitting(f.o.clients), f.hosts, f.o.clients == "*")
	for _, m := range f.members {
		if err := f.clusters[0].createTopic(ctx, "fleet-"+m.id); err != nil {
			return err
		}
	}
	var busy sync.WaitGroup
	busy.Go(func() { f.runMember(ctx, f.members[0]) })
	busy.Go(func() {
		time.Sleep(killAfter)
		h := f.members[0].host
		h.killed = time.Now()
		_ = end(h.sniffer) // it is killed with its report as it is
	})
	turn := make(chan bool, fleetAtOnce)
	for _, m := range f.members[1:] {
		turn <- true
		busy.Go(func() {
			f.runMember(ctx, m)
			<-turn
		})
	}
	busy.Wait()
	return ctx.Err()
}

// runMember runs one client on its host.
func (f *fleet) runMember(ctx context.Context, m *member) {
	host, l := chaosHost(m.broker+1), plaintext
	if m.host.way == byProxy {
		host, l.port = f.proxy.address(), fleetProxyPort+m.broker
	}
	environment := append(l.environment(host, "fleet-"+m.id, "group-"+m.id, "", "", nodes(fleetNode)[0].release),
		"LAB_CLIENT_ID="+m.id, "JAVA_TOOL_OPTIONS=-Djdk.net.hosts.file="+filepath.Join(f.dir, hostsFile))
	if m.length > 0 {
		environment = append(environment, "LAB_PAUSE=100", fmt.Sprintf("LAB_STEADY=%d", m.length.Milliseconds()))
	}
	cmd := m.host.inside(m.client.Command(ctx, f.o.cache))
	m.run(cmd, environment, m.length+clientTime*patience(), func() {
		if cmd.Process != nil {
			m.pid = cmd.Process.Pid
		}
	})
}

// endSniffers has all sniffers that still run write their last report.
func (f *fleet) endSniffers() error {
	for _, h := range f.all() {
		if !h.killed.IsZero() {
			continue
		}
		if err := h.sniffer.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		if err := h.sniffer.Wait(); err != nil {
			return fmt.Errorf("the sniffer of %s: %w: %s", h.name, err, h.said)
		}
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// startTime bounds how long ZooKeeper and a broker may take to be ready, each:
// some five seconds on an idle machine.
const startTime = 120 * time.Second

// site is a node, and where and how it runs.
type site struct {
	node
	host string
	// number is the node's number, total how many nodes there are; 0 stands for 1.
	number, total int
	// config is what comes behind the lab's own settings, and wins.
	config []string
	// room is where the node runs; nil for this namespace.
	room *room
}

// cluster is one running node, with ZooKeeper where its mode asks for it.
type cluster struct {
	site
	java, dir, cache string
	// internal is the address at which the lab itself speaks to it.
	internal string
	// broker is the process of the broker, zookeeper that beside it.
	broker, zookeeper *exec.Cmd
	// changed reports that another release took the node's place.
	changed bool
}

// Files in a cluster's folder.
const (
	brokerLog, zookeeperLog = "broker.log", "zookeeper.log"
	brokerKeys              = "broker.keys" // the TLS secrets that the agent writes
)

// startCluster starts a node in an empty folder. What was started is ended by stop,
// also after an error.
func startCluster(ctx context.Context, s site, java, cache, dir string) (*cluster, error) {
	c, err := newCluster(ctx, s, java, cache, dir)
	if err == nil {
		err = c.launchAll(ctx)
	}
	if err == nil {
		err = c.ready(ctx, 0)
	}
	return c, err
}

// newCluster prepares the folder of a node, and starts nothing yet.
func newCluster(ctx context.Context, s site, java, cache, dir string) (*cluster, error) {
	s.number, s.total = max(1, s.number), max(1, s.total)
	n, c := s.node, &cluster{site: s, java: java, dir: dir, cache: cache}
	if err := certificates(dir); err != nil {
		return c, err
	}
	config, internal := n.listening(s.host)
	c.internal = internal
	replicas := fmt.Sprint(s.total)
	config = append(config,
		"ssl.keystore.location="+c.file("broker.p12"), "ssl.keystore.type=PKCS12",
		"ssl.keystore.password="+password, "ssl.key.password="+password,
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"log.dirs="+c.file("data"),
		"num.partitions=1", "group.initial.rebalance.delay.ms=0", "controlled.shutdown.enable=false", "log.cleaner.dedupe.buffer.size=8000000",
		"offsets.topic.num.partitions=1", "offsets.topic.replication.factor="+replicas,
		"transaction.state.log.num.partitions=1", "transaction.state.log.replication.factor="+replicas, "transaction.state.log.min.isr=1",
		"share.coordinator.state.topic.num.partitions=1", "share.coordinator.state.topic.replication.factor="+replicas, "share.coordinator.state.topic.min.isr=1",
	)
	if n.mode == kraft {
		config = append(config, "process.roles=broker,controller", fmt.Sprintf("node.id=%d", s.number), "controller.listener.names=CONTROLLER",
			"controller.quorum.voters="+s.voters())
	} else {
		config = append(config, fmt.Sprintf("broker.id=%d", s.number), "zookeeper.connect="+address(s.host, zookeeperPort))
	}
	config = append(config, s.config...)
	for name, text := range map[string]string{
		"server.properties": strings.Join(config, "\n") + "\n",
		"zoo.cfg":           fmt.Sprintf("dataDir=%s\nclientPort=%d\nclientPortAddress=%s\nmaxClientCnxns=0\nadmin.enableServer=false\n", c.file("zookeeper"), zookeeperPort, s.host),
		"jaas.conf": fmt.Sprintf("KafkaServer {\n org.apache.kafka.common.security.plain.PlainLoginModule required user_%s=%q;\n"+
			" org.apache.kafka.common.security.scram.ScramLoginModule required;\n};\n", user, password),
		"log4j.properties": "log4j.rootLogger=INFO, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n" +
			"log4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n\n",
		"log4j2.properties": "rootLogger.level=INFO\nrootLogger.appenderRef.out.ref=OUT\nappender.out.type=Console\nappender.out.name=OUT\n" +
			"appender.out.layout.type=PatternLayout\nappender.out.layout.pattern=[%d] %p %m (%c)%n\n",
	} {
		if err := os.WriteFile(c.file(name), []byte(text), 0o600); err != nil {
			return c, err
		}
	}
	if n.mode == kraft {
		return c, c.format(ctx)
	}
	return c, nil
}

// voters are all nodes of the cluster: the others are at the addresses before and behind.
func (s site) voters() string {
	if s.total == 1 {
		return fmt.Sprintf("%d@%s", s.number, address(s.host, controllerPort))
	}
	var all []string
	for i := range s.total {
		all = append(all, fmt.Sprintf("%d@%s", i+1, address(chaosHost(i+1), controllerPort)))
	}
	return strings.Join(all, ",")
}

// startBroker starts the broker again and waits until it is ready.
func (c *cluster) startBroker(ctx context.Context) error {
	position := c.size(brokerLog)
	if err := c.launch(ctx); err != nil {
		return err
	}
	return c.ready(ctx, position)
}

// ready waits until the broker's log says so behind a position.
func (c *cluster) ready(ctx context.Context, position int64) error {
	return c.await(ctx, brokerLog, c.broker, position, regexp.MustCompile(`started \(kafka\.server\.Kafka(Raft)?Server\)`))
}

// launchAll starts ZooKeeper, where the mode asks for it, and the broker, and does not wait for the
// broker.
func (c *cluster) launchAll(ctx context.Context) error {
	if c.mode == zookeeper {
		c.zookeeper = c.jvm(ctx, 128, "", "org.apache.zookeeper.server.quorum.QuorumPeerMain", c.file("zoo.cfg"))
		if err := c.start(zookeeperLog, c.zookeeper); err != nil {
			return err
		}
		if err := c.await(ctx, zookeeperLog, c.zookeeper, 0, regexp.MustCompile(`binding to port`)); err != nil {
			return err
		}
	}
	return c.launch(ctx)
}

// launch starts the broker and does not wait.
func (c *cluster) launch(ctx context.Context) error {
	agent := ""
	if _, err := os.Stat(agentJar(c.cache)); err == nil {
		agent = "-javaagent:" + agentJar(c.cache) + "=" + c.file(brokerKeys)
	}
	c.broker = c.jvm(ctx, 384, agent, "kafka.Kafka", c.file("server.properties"))
	return c.start(brokerLog, c.broker)
}

// file is a file in the cluster's folder.
func (c *cluster) file(name string) string { return filepath.Join(c.dir, name) }

// jvm is a command that runs a class of the release with a heap of some megabytes.
func (c *cluster) jvm(ctx context.Context, heap int, agent, class string, args ...string) *exec.Cmd {
	path := filepath.Join(jars(c.cache, c.release), "*")
	if c.atLeast(4, 0) {
		path += string(os.PathListSeparator) + filepath.Join(jars(c.cache, c.release), "logging", "*")
	}
	options := []string{
		fmt.Sprintf("-Xmx%dm", heap), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", path,
		"-Djava.security.auth.login.config=" + c.file("jaas.conf"),
		"-Dlog4j.configuration=file:" + c.file("log4j.properties"), "-Dlog4j2.configurationFile=" + c.file("log4j2.properties"),
		"-Dzookeeper.admin.enableServer=false", "-Dzookeeper.sasl.client=false", "-Dzookeeper.jmx.log4j.disable=true", // reload4j has no JMX
	}
	if agent != "" {
		options = append(options, agent)
	}
	cmd := exec.CommandContext(ctx, c.java, append(append(options, class), args...)...)
	if c.room != nil {
		cmd = c.room.inside(cmd)
	}
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// start starts a command whose output is appended to a file.
func (c *cluster) start(log string, cmd *exec.Cmd) error {
	f, err := os.OpenFile(c.file(log), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	return cmd.Start()
}

// await waits until a log says something behind a position, or the command that writes it has
// ended.
func (c *cluster) await(ctx context.Context, log string, cmd *exec.Cmd, position int64, ready *regexp.Regexp) error {
	pid := cmd.Process.Pid
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		text, err := c.since(log, position)
		if err != nil {
			return err
		}
		if ready.MatchString(text) {
			return nil
		}
		if ended(pid) {
			return fmt.Errorf("%s ended: %s", strings.TrimSuffix(log, ".log"), complaint(text))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	text, _ := c.since(log, position) // what it said is all that can be told
	return fmt.Errorf("%s was not ready within %v: %s", strings.TrimSuffix(log, ".log"), startTime, complaint(text))
}

// ended reports whether a child has ended and waits to be asked for its status.
func ended(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(state), ") ")
	return err != nil || strings.HasPrefix(rest, "Z")
}

// complaint is what a log says about why a start failed.
func complaint(log string) string {
	var said []string
	for line := range strings.Lines(log) {
		if regexp.MustCompile(`ERROR|FATAL|Exception|Error`).MatchString(line) && !strings.HasPrefix(line, "\t") {
			said = append(said, line)
		}
	}
	return firstLines(strings.Join(said, ""), 3)
}

// run runs a tool of the release to its end.
func (c *cluster) run(ctx context.Context, class string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	out, err := c.jvm(ctx, 128, "", class, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", class, err, firstLines(string(bytes.TrimSpace(out)), 5))
	}
	return string(out), nil
}

// format prepares the folder of a KRaft node, with the user of SCRAM.
func (c *cluster) format(ctx context.Context) error {
	args := []string{"format", "-t", "bGFiLWxhYi1sYWItbGFiLQ", "-c", c.file("server.properties")}
	if c.atLeast(3, 5) { // KIP-900
		for _, mechanism := range scramMechanisms {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,iterations=4096,password=%s]", mechanism, user, password))
		}
	}
	_, err := c.run(ctx, "kafka.tools.StorageTool", args...)
	return err
}

// stop ends what was started, without ceremony: the data is thrown away.
func (c *cluster) stop() error {
	return errors.Join(end(c.broker), end(c.zookeeper))
}

// end kills a process that was started, if it still runs, and waits for it.
func end(cmd *exec.Cmd) error {
	if cmd == nil || cmd.Process == nil || cmd.ProcessState != nil {
		return nil
	}
	err := cmd.Process.Kill()
	_ = cmd.Wait() // killed
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

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

// cluster is one running node, with ZooKeeper where its mode asks for it.
type cluster struct {
	node
	java, dir, cache string
	// internal is the address at which the lab itself speaks to it.
	internal string
	running  []*exec.Cmd
}

// Files in a cluster's folder.
const (
	brokerLog, zookeeperLog = "broker.log", "zookeeper.log"
	brokerKeys              = "broker.keys" // the TLS secrets that the agent writes
)

// startCluster starts a node in an empty folder. What was started is ended by stop,
// also after an error.
func startCluster(ctx context.Context, n node, java, cache, dir string) (*cluster, error) {
	c := &cluster{node: n, java: java, dir: dir, cache: cache}
	if err := certificates(dir); err != nil {
		return c, err
	}
	config, internal := n.listening()
	c.internal = internal
	config = append(config,
		"ssl.keystore.location="+c.file("broker.p12"), "ssl.keystore.type=PKCS12",
		"ssl.keystore.password="+password, "ssl.key.password="+password,
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"log.dirs="+c.file("data"),
		"num.partitions=1", "group.initial.rebalance.delay.ms=0", "controlled.shutdown.enable=false", "log.cleaner.dedupe.buffer.size=8000000",
		"offsets.topic.num.partitions=1", "offsets.topic.replication.factor=1",
		"transaction.state.log.num.partitions=1", "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
		"share.coordinator.state.topic.num.partitions=1", "share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1",
	)
	if n.mode == kraft {
		config = append(config, "process.roles=broker,controller", "node.id=1", "controller.listener.names=CONTROLLER",
			"controller.quorum.voters=1@"+address(controllerPort))
	} else {
		config = append(config, "broker.id=1", "zookeeper.connect="+address(zookeeperPort))
	}
	for name, text := range map[string]string{
		"server.properties": strings.Join(config, "\n") + "\n",
		"zoo.cfg":           fmt.Sprintf("dataDir=%s\nclientPort=%d\nclientPortAddress=%s\nmaxClientCnxns=0\nadmin.enableServer=false\n", c.file("zookeeper"), zookeeperPort, host),
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
		if err := c.format(ctx); err != nil {
			return c, err
		}
	} else {
		if err := c.start(zookeeperLog, c.jvm(ctx, 128, "", "org.apache.zookeeper.server.quorum.QuorumPeerMain", c.file("zoo.cfg"))); err != nil {
			return c, err
		}
		if err := c.await(ctx, zookeeperLog, regexp.MustCompile(`binding to port`)); err != nil {
			return c, err
		}
	}
	agent := ""
	if _, err := os.Stat(agentJar(cache)); err == nil {
		agent = "-javaagent:" + agentJar(cache) + "=" + c.file(brokerKeys)
	}
	if err := c.start(brokerLog, c.jvm(ctx, 384, agent, "kafka.Kafka", c.file("server.properties"))); err != nil {
		return c, err
	}
	return c, c.await(ctx, brokerLog, regexp.MustCompile(`started \(kafka\.server\.Kafka(Raft)?Server\)`))
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
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// start starts a command whose output goes to a file.
func (c *cluster) start(log string, cmd *exec.Cmd) error {
	f, err := os.Create(c.file(log))
	if err != nil {
		return err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		return err
	}
	c.running = append(c.running, cmd)
	return nil
}

// await waits until a log says something, or the last command that was started has ended.
func (c *cluster) await(ctx context.Context, log string, ready *regexp.Regexp) error {
	pid := c.running[len(c.running)-1].Process.Pid
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		text, err := os.ReadFile(c.file(log))
		if err != nil {
			return err
		}
		if ready.Match(text) {
			return nil
		}
		var status syscall.WaitStatus
		if got, _ := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); got == pid {
			c.running = c.running[:len(c.running)-1]
			return fmt.Errorf("%s ended with status %d: %s", strings.TrimSuffix(log, ".log"), status.ExitStatus(), complaint(text))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	text, _ := os.ReadFile(c.file(log)) // what it said is all that can be told
	return fmt.Errorf("%s was not ready within %v: %s", strings.TrimSuffix(log, ".log"), startTime, complaint(text))
}

// complaint is what a log says about why a start failed.
func complaint(log []byte) string {
	var said []string
	for line := range strings.Lines(string(log)) {
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

// format prepares the folder of a KRaft node.
func (c *cluster) format(ctx context.Context) error {
	_, err := c.run(ctx, "kafka.tools.StorageTool", "format", "-t", "bGFiLWxhYi1sYWItbGFiLQ", "-c", c.file("server.properties"))
	return err
}

// stop ends what was started, without ceremony: the data is thrown away.
func (c *cluster) stop() error {
	var errs []error
	for _, cmd := range c.running {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, err)
		}
		_ = cmd.Wait() // killed
	}
	c.running = nil
	return errors.Join(errs...)
}

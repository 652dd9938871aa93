package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Client is a real Kafka client at one version, as a program that produces three
// records, reads them back in a group and lists the topics. What it is to do comes
// by the environment (see clients/README.md); what it does with versions is its
// library's default, unless its name says otherwise.
type Client struct {
	// Name tells clients apart, and is used in the names of files.
	Name string
	// Library is what its users call it, Version the version that is installed.
	Library, Version string
	// Setting is what is set to other than the default, empty for most.
	Setting string
	kind    kind
}

// kind is how the clients of one language are installed and started. Both take the client's own
// folder.
type kind interface {
	// install fetches and builds the client's program. The folder is there and empty.
	install(ctx context.Context, c Client, dir string) error
	// command starts the program, which needs nothing from outside any more.
	command(ctx context.Context, c Client, dir string) *exec.Cmd
	// made is all that goes into the program beside the client's version: when it changes, it is made
	// anew.
	made() string
}

// clients are all clients of the lab. Versions in a name that begin with v are what
// sarama is told the broker's version is.
func clients() []Client {
	confluentGo := goClient{source: "confluent.go", module: "github.com/confluentinc/confluent-kafka-go/v2", cgo: true}
	sarama := goClient{source: "sarama.go", module: "github.com/IBM/sarama", more: []string{"github.com/xdg-go/scram v1.1.2"}}
	shopify := sarama
	shopify.module = "github.com/Shopify/sarama"
	segmentio := goClient{source: "kafkago.go", module: "github.com/segmentio/kafka-go"}
	franz := goClient{source: "franz.go", module: "github.com/twmb/franz-go"}
	confluentPython := pythonClient{library: "confluent-kafka"}
	kafkaPython := pythonClient{library: "kafka-python"}
	aiokafka := pythonClient{library: "aiokafka", more: []string{"async-timeout==5.0.1", "packaging==25.0", "typing_extensions==4.15.0"}}
	kafkajs := nodeClient{library: "kafkajs", module: "kafkajs"}
	platformatic := nodeClient{library: "platformatic", module: "@platformatic/kafka"}
	platformatic24 := platformatic
	platformatic24.node = "24.21.0"
	return []Client{
		{Name: "confluent-go-2.5.3", Library: "confluent-kafka-go", Version: "2.5.3", kind: confluentGo},
		{Name: "confluent-go-2.6.0", Library: "confluent-kafka-go", Version: "2.6.0", kind: confluentGo},
		{Name: "confluent-go-2.6.1", Library: "confluent-kafka-go", Version: "2.6.1", kind: confluentGo},
		{Name: "confluent-go-2.11.1", Library: "confluent-kafka-go", Version: "2.11.1", kind: confluentGo},
		{Name: "confluent-python-2.6.0", Library: "confluent-kafka (Python)", Version: "2.6.0", kind: confluentPython},
		{Name: "java-0.10.2.2", Library: "kafka-clients", Version: "0.10.2.2", kind: javaClient{}},
		{Name: "java-1.1.1", Library: "kafka-clients", Version: "1.1.1", kind: javaClient{}},
		{Name: "java-2.1.0", Library: "kafka-clients", Version: "2.1.0", kind: javaClient{}},
		{Name: "java-3.9.2", Library: "kafka-clients", Version: "3.9.2", kind: javaClient{}},
		{Name: "java-4.4.0", Library: "kafka-clients", Version: "4.4.0", kind: javaClient{}},
		{Name: "kafka-python-2.0.2", Library: "kafka-python", Version: "2.0.2", kind: kafkaPython},
		{Name: "kafka-python-2.2.15", Library: "kafka-python", Version: "2.2.15", kind: kafkaPython},
		{Name: "kafka-python-3.0.12", Library: "kafka-python", Version: "3.0.12", kind: kafkaPython},
		{Name: "aiokafka-0.14.0", Library: "aiokafka", Version: "0.14.0", kind: aiokafka},
		{Name: "kafkajs-1.15.0", Library: "kafkajs", Version: "1.15.0", kind: kafkajs},
		{Name: "kafkajs-2.2.4", Library: "kafkajs", Version: "2.2.4", kind: kafkajs},
		{Name: "platformatic-1.35.0", Library: "@platformatic/kafka", Version: "1.35.0", kind: platformatic},
		{Name: "platformatic-2.12.1", Library: "@platformatic/kafka", Version: "2.12.1", kind: platformatic24},
		{Name: "sarama-1.30.1", Library: "Shopify/sarama", Version: "1.30.1", kind: shopify},
		{Name: "sarama-1.38.0", Library: "Shopify/sarama", Version: "1.38.0", kind: shopify},
		{Name: "sarama-1.45.2", Library: "IBM/sarama", Version: "1.45.2", kind: sarama},
		{Name: "sarama-1.45.2-v3.6", Library: "IBM/sarama", Version: "1.45.2", Setting: "3.6.0", kind: sarama},
		{Name: "sarama-1.45.2-v0.10.2", Library: "IBM/sarama", Version: "1.45.2", Setting: "0.10.2.0", kind: sarama},
		{Name: "sarama-1.61.1", Library: "IBM/sarama", Version: "1.61.1", kind: sarama},
		{Name: "segmentio-0.4.47", Library: "segmentio/kafka-go", Version: "0.4.47", kind: segmentio},
		{Name: "segmentio-0.4.51", Library: "segmentio/kafka-go", Version: "0.4.51", kind: segmentio},
		{Name: "franz-go-1.22.3", Library: "franz-go", Version: "1.22.3", kind: franz},
		{Name: "rdkafka-0.39.0", Library: "rdkafka (Rust)", Version: "0.39.0", kind: rustClient{}},
	}
}

// sources are the programs that the clients are made from.
//
//go:embed clients
var sources embed.FS

// source is one of them, by its path below clients.
func source(path string) string {
	data, err := sources.ReadFile("clients/" + path)
	if err != nil {
		panic(err) // it is embedded or the lab is not built right
	}
	return string(data)
}

// dir is the client's folder. Clients that differ in a setting only share theirs.
func (c Client) dir(cacheDir string) string {
	name := strings.NewReplacer("/", "-", "@", "", " ", "-", "(", "", ")", "").Replace(c.Library + "-" + c.Version)
	return filepath.Join(cacheDir, "clients", name)
}

// Install fetches and builds the client, unless that was done before. It takes minutes
// the first time and nothing outside the cache folder but the package clients' own caches.
func (c Client) Install(ctx context.Context, cacheDir string) error {
	dir := c.dir(cacheDir)
	return once(dir, c.Library+" "+c.Version+"\n"+c.kind.made(), func() error {
		if err := c.kind.install(ctx, c, dir); err != nil {
			return fmt.Errorf("install %s: %w", c.Name, err)
		}
		return nil
	})
}

// once makes a folder and fills it, unless that was done before for the same content. Runs of the
// lab wait for each other.
func once(dir, content string, fill func() error) error {
	lock, err := lockFile(dir + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks it
	done := filepath.Join(dir, "complete")
	if have, err := os.ReadFile(done); err == nil && string(have) == content {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := fill(); err != nil {
		return err
	}
	return os.WriteFile(done, []byte(content), 0o644)
}

// lockFile waits until no other run of the lab has the file.
func lockFile(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// Command is the installed client, to be started with the lab's variables added to
// those that the command's environment has already.
func (c Client) Command(ctx context.Context, cacheDir string) *exec.Cmd {
	cmd := c.kind.command(ctx, c, c.dir(cacheDir))
	if c.Setting != "" {
		cmd.Env = append(cmd.Environ(), "LAB_VERSION="+c.Setting)
	}
	return cmd
}

// write writes files into a client's folder.
func write(dir string, files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tool runs a package client or a compiler in a client's folder.
func tool(ctx context.Context, dir string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, lastLines(string(out), 5))
	}
	return nil
}

// lastLines are the last lines of a text, where compilers and package clients say what went wrong.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}

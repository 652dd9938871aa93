package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// prepare makes the coordinator of groups ready and the user known to SCRAM.
func (c *cluster) prepare(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.internal))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.CoordinatorKey, find.CoordinatorKeys = "lab", []string{"lab"}
		found, err := find.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("find a coordinator: %w", err)
		}
		code := found.ErrorCode
		if len(found.Coordinators) > 0 {
			code = found.Coordinators[0].ErrorCode
		}
		if code == 0 {
			return c.addUser(ctx)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("find a coordinator: %w", kerr.ErrorForCode(code))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// scramMechanisms are those by which the user is known.
var scramMechanisms = []string{"SCRAM-SHA-256", "SCRAM-SHA-512"}

// addUser makes the user known to SCRAM: to ZooKeeper, by the release's own tool. KRaft knows it
// from the beginning.
func (c *cluster) addUser(ctx context.Context) error {
	if c.mode == kraft {
		return nil
	}
	var config []string
	for _, mechanism := range scramMechanisms {
		config = append(config, fmt.Sprintf("%s=[iterations=4096,password=%s]", mechanism, password))
	}
	_, err := c.run(ctx, "kafka.admin.ConfigCommand", "--zookeeper", address(c.host, zookeeperPort), "--alter", "--add-config", strings.Join(config, ","),
		"--entity-type", "users", "--entity-name", user)
	return err
}

// createTopic creates a topic of one partition, if a client's request has not done so before.
func (c *cluster) createTopic(ctx context.Context, name string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.internal))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	create := kmsg.NewPtrCreateTopicsRequest()
	create.TimeoutMillis = 20_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, 1, 1
	create.Topics = append(create.Topics, t)
	created, err := create.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	if err := kerr.ErrorForCode(created.Topics[0].ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	return nil
}

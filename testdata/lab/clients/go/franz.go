//go:build ignore

package main

import (
	"context"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func main() { lab(work{list, send, receive}) }

func client(e env, opts ...kgo.Opt) (*kgo.Client, error) {
	opts = append(opts, kgo.SeedBrokers(e.bootstrap), kgo.ClientID(clientID("kgo")), kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)))
	if name := os.Getenv("LAB_SOFTWARE"); name != "" {
		opts = append(opts, kgo.SoftwareNameAndVersion(name, "1.0.0"))
	}
	if e.overTLS() {
		opts = append(opts, kgo.DialTLSConfig(e.tlsConfig()))
	}
	if e.sasl() {
		auth := scram.Auth{User: e.user, Pass: e.password}
		switch e.mechanism {
		case "PLAIN":
			opts = append(opts, kgo.SASL(plain.Auth{User: e.user, Pass: e.password}.AsMechanism()))
		case "SCRAM-SHA-512":
			opts = append(opts, kgo.SASL(auth.AsSha512Mechanism()))
		default:
			opts = append(opts, kgo.SASL(auth.AsSha256Mechanism()))
		}
	}
	return kgo.NewClient(opts...)
}

func list(e env) ([]string, error) {
	c, err := client(e)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	defer cancel()
	m, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, c)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range m.Topics {
		names = append(names, *t.Topic)
	}
	return names, nil
}

func send(e env) (func(key, value string) error, func(), error) {
	c, err := client(e, kgo.DefaultProduceTopic(e.topic), kgo.ProducerBatchMaxBytes(4<<20))
	if err != nil {
		return nil, nil, err
	}
	return func(key, value string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		return c.ProduceSync(ctx, kgo.KeyStringRecord(key, value)).FirstErr()
	}, c.Close, nil
}

func receive(e env, until time.Time, got func([]byte) bool) error {
	c, err := client(e, kgo.ConsumerGroup(e.group), kgo.ConsumeTopics(e.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	for ctx.Err() == nil {
		fetches := c.PollFetches(ctx)
		for _, record := range fetches.Records() {
			if got(record.Value) {
				return c.CommitUncommittedOffsets(ctx)
			}
		}
		if err := fetches.Err0(); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

//go:build ignore

package main

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"os"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

func main() { lab(work{list, send, receive}) }

// config is sarama's own, but for a Version that LAB_VERSION asks for.
func config(e env) *sarama.Config {
	c := sarama.NewConfig()
	if v := os.Getenv("LAB_VERSION"); v != "" {
		var err error
		if c.Version, err = sarama.ParseKafkaVersion(v); err != nil {
			stop(err)
		}
	}
	c.ClientID = clientID(c.ClientID)
	if e.overTLS() {
		c.Net.TLS.Enable, c.Net.TLS.Config = true, e.tlsConfig()
	}
	if e.sasl() {
		c.Net.SASL.Enable, c.Net.SASL.User, c.Net.SASL.Password = true, e.user, e.password
		c.Net.SASL.Mechanism = sarama.SASLMechanism(e.mechanism)
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient {
			if e.mechanism == sarama.SASLTypeSCRAMSHA512 {
				return &conversation{hash: sha512.New}
			}
			return &conversation{hash: sha256.New}
		}
	}
	c.Producer.Return.Successes = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	return c
}

// conversation is the SCRAM client that sarama leaves to its user.
type conversation struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

func (c *conversation) Begin(user, password, authz string) error {
	client, err := c.hash.NewClient(user, password, authz)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

func list(e env) ([]string, error) {
	c, err := sarama.NewClient([]string{e.bootstrap}, config(e))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Topics()
}

func send(e env) (func(key, value string) error, func(), error) {
	c := config(e)
	c.Producer.MaxMessageBytes = 4 << 20
	p, err := sarama.NewSyncProducer([]string{e.bootstrap}, c)
	if err != nil {
		return nil, nil, err
	}
	return func(key, value string) error {
		_, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: e.topic, Key: sarama.StringEncoder(key), Value: sarama.StringEncoder(value)})
		return err
	}, func() { p.Close() }, nil
}

// handler ends the session when it has enough.
type handler struct {
	got  func([]byte) bool
	done func()
}

func (handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h handler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for m := range c.Messages() {
		s.MarkMessage(m, "")
		if h.got(m.Value) {
			h.done()
			return nil
		}
	}
	return nil
}

func receive(e env, until time.Time, got func([]byte) bool) error {
	c := config(e)
	c.Consumer.Return.Errors = true
	g, err := sarama.NewConsumerGroup([]string{e.bootstrap}, e.group, c)
	if err != nil {
		return err
	}
	defer g.Close()
	go func() {
		for err := range g.Errors() {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{e.topic}, handler{got, cancel}); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

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

func main() { lab(work{produce, consume, list, send, receive}) }

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

func produce(e env) error {
	p, err := sarama.NewSyncProducer([]string{e.bootstrap}, config(e))
	if err != nil {
		return err
	}
	defer p.Close()
	for n := 1; n <= 3; n++ {
		m := &sarama.ProducerMessage{Topic: e.topic, Key: sarama.StringEncoder(key(n)), Value: sarama.StringEncoder(value(n))}
		if _, _, err := p.SendMessage(m); err != nil {
			return err
		}
	}
	return nil
}

// handler ends the session when all records have come.
type handler struct {
	read
	done func()
}

func (h *handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (h *handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h *handler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for m := range c.Messages() {
		s.MarkMessage(m, "")
		if h.read.done(m.Value) {
			h.done()
			return nil
		}
	}
	return nil
}

func consume(e env) error {
	c := config(e)
	c.Consumer.Return.Errors = true
	g, err := sarama.NewConsumerGroup([]string{e.bootstrap}, e.group, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), consumeLimit-produceLimit/5)
	defer cancel()
	failed := make(chan error, 100)
	go func() {
		for err := range g.Errors() {
			select {
			case failed <- err:
			default:
			}
		}
	}()
	h := &handler{done: cancel}
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{e.topic}, h); err != nil {
			g.Close()
			return err
		}
	}
	if err := g.Close(); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return fmt.Errorf("%d of 3 records came: %w", h.n, err)
	default:
	}
	if h.n < 3 {
		return fmt.Errorf("%d of 3 records came", h.n)
	}
	return nil
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

// counter is the handler of the steady run.
type counter struct{ got func() }

func (counter) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (counter) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h counter) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for m := range c.Messages() {
		s.MarkMessage(m, "")
		h.got()
	}
	return nil
}

func receive(e env, until time.Time, got func()) error {
	g, err := sarama.NewConsumerGroup([]string{e.bootstrap}, e.group, config(e))
	if err != nil {
		return err
	}
	defer g.Close()
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{e.topic}, counter{got}); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

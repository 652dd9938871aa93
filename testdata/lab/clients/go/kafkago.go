//go:build ignore

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

func main() { lab(work{produce, consume, list, send, receive}) }

func mechanism(e env) sasl.Mechanism {
	algorithm := scram.SHA256
	switch {
	case !e.sasl():
		return nil
	case e.mechanism == "PLAIN":
		return plain.Mechanism{Username: e.user, Password: e.password}
	case e.mechanism == "SCRAM-SHA-512":
		algorithm = scram.SHA512
	}
	m, err := scram.Mechanism(algorithm, e.user, e.password)
	if err != nil {
		stop(err)
	}
	return m
}

func transport(e env) *kafka.Transport {
	t := &kafka.Transport{SASL: mechanism(e), ClientID: clientID("")}
	if e.overTLS() {
		t.TLS = e.tlsConfig()
	}
	return t
}

func produce(e env) error {
	w := &kafka.Writer{Addr: kafka.TCP(e.bootstrap), Topic: e.topic, Transport: transport(e), RequiredAcks: kafka.RequireAll}
	defer w.Close()
	ctx, cancel := context.WithTimeout(context.Background(), produceLimit)
	defer cancel()
	var messages []kafka.Message
	for n := 1; n <= 3; n++ {
		messages = append(messages, kafka.Message{Key: []byte(key(n)), Value: []byte(value(n))})
	}
	return w.WriteMessages(ctx, messages...)
}

func consume(e env) error {
	d := &kafka.Dialer{SASLMechanism: mechanism(e), ClientID: clientID("")}
	if e.overTLS() {
		d.TLS = e.tlsConfig()
	}
	var last string
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{e.bootstrap}, GroupID: e.group, Topic: e.topic, Dialer: d, StartOffset: kafka.FirstOffset,
		MaxWait: 500 * time.Millisecond, // Close waits for the last Fetch
		ErrorLogger: kafka.LoggerFunc(func(format string, args ...any) {
			last = fmt.Sprintf(format, args...)
			fmt.Fprintln(os.Stderr, last)
		}),
	})
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), consumeLimit-consumeLimit/7)
	defer cancel()
	var got read
	for {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			return fmt.Errorf("%d of 3 records came: %w: %s", got.n, err, last)
		}
		if got.done(m.Value) {
			return nil
		}
	}
}

func list(e env) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	defer cancel()
	c := &kafka.Client{Addr: kafka.TCP(e.bootstrap), Transport: transport(e)}
	m, err := c.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range m.Topics {
		names = append(names, t.Name)
	}
	return names, nil
}

func send(e env) (func(key, value string) error, func(), error) {
	w := &kafka.Writer{Addr: kafka.TCP(e.bootstrap), Topic: e.topic, Transport: transport(e), RequiredAcks: kafka.RequireAll,
		BatchTimeout: 10 * time.Millisecond, BatchBytes: 4 << 20}
	return func(key, value string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		return w.WriteMessages(ctx, kafka.Message{Key: []byte(key), Value: []byte(value)})
	}, func() { w.Close() }, nil
}

func receive(e env, until time.Time, got func()) error {
	d := &kafka.Dialer{SASLMechanism: mechanism(e), ClientID: clientID("")}
	if e.overTLS() {
		d.TLS = e.tlsConfig()
	}
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{e.bootstrap}, GroupID: e.group, Topic: e.topic, Dialer: d, StartOffset: kafka.FirstOffset, MaxWait: 500 * time.Millisecond,
	})
	defer r.Close()
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	for {
		if _, err := r.ReadMessage(ctx); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		got()
	}
}

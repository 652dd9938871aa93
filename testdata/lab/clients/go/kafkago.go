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

func main() { lab(work{list, send, receive}) }

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

func receive(e env, until time.Time, got func([]byte) bool) error {
	d := &kafka.Dialer{SASLMechanism: mechanism(e), ClientID: clientID("")}
	if e.overTLS() {
		d.TLS = e.tlsConfig()
	}
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{e.bootstrap}, GroupID: e.group, Topic: e.topic, Dialer: d, StartOffset: kafka.FirstOffset,
		MaxWait:     500 * time.Millisecond, // Close waits for the last Fetch
		ErrorLogger: kafka.LoggerFunc(func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }),
	})
	defer r.Close()
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	for {
		m, err := r.ReadMessage(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case got(m.Value):
			return nil
		}
	}
}

//go:build ignore

package main

import (
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func main() { lab(work{list, send, receive}) }

func config(e env) kafka.ConfigMap {
	c := kafka.ConfigMap{"bootstrap.servers": e.bootstrap, "security.protocol": e.security, "client.id": clientID("rdkafka")}
	if e.overTLS() {
		c["ssl.ca.location"] = e.ca
	}
	if e.sasl() {
		c["sasl.mechanism"], c["sasl.username"], c["sasl.password"] = e.mechanism, e.user, e.password
	}
	return c
}

func list(e env) ([]string, error) {
	c := config(e)
	a, err := kafka.NewAdminClient(&c)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	m, err := a.GetMetadata(nil, true, int(listLimit/time.Millisecond)-500)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range m.Topics {
		names = append(names, name)
	}
	return names, nil
}

func send(e env) (func(key, value string) error, func(), error) {
	c := config(e)
	c["message.timeout.ms"], c["message.max.bytes"] = 3000, 4<<20
	p, err := kafka.NewProducer(&c)
	if err != nil {
		return nil, nil, err
	}
	go func() {
		for range p.Events() { // errors of brokers, which come back
		}
	}()
	delivered := make(chan kafka.Event, 1)
	return func(key, value string) error {
		m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &e.topic, Partition: kafka.PartitionAny}, Key: []byte(key), Value: []byte(value)}
		if err := p.Produce(m, delivered); err != nil {
			return err
		}
		if m, ok := (<-delivered).(*kafka.Message); ok {
			return m.TopicPartition.Error
		}
		return nil
	}, p.Close, nil
}

func receive(e env, until time.Time, got func([]byte) bool) (last error) {
	conf := config(e)
	conf["group.id"], conf["auto.offset.reset"] = e.group, "earliest"
	c, err := kafka.NewConsumer(&conf)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SubscribeTopics([]string{e.topic}, nil); err != nil {
		return err
	}
	for time.Now().Before(until) {
		switch event := c.Poll(100).(type) {
		case *kafka.Message:
			if got(event.Value) {
				return nil
			}
		case kafka.Error:
			last = event
		}
	}
	return last
}

//go:build ignore

// Common to the Go clients of the lab: what the environment asks for, TLS, the
// steps, and the steady run. Each client is this file and one more, built in a
// module of its own.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// How long each step may take: together below 20 s, unless LAB_PATIENCE asks
// for a multiple, as a busy machine needs.
var (
	patience, _  = strconv.Atoi(os.Getenv("LAB_PATIENCE")) // 0 unless it is a number
	produceLimit = time.Duration(max(1, patience)) * 5 * time.Second
	consumeLimit = time.Duration(max(1, patience)) * 7 * time.Second
	listLimit    = time.Duration(max(1, patience)) * 4 * time.Second
	watchdog     = time.Duration(max(1, patience)) * 18 * time.Second
)

// env is what the environment asks for.
type env struct {
	bootstrap, topic, group, security, mechanism, user, password, ca string
}

// clientID is the id that the environment asks for, or the library's default.
func clientID(otherwise string) string {
	if id := os.Getenv("LAB_CLIENT_ID"); id != "" {
		return id
	}
	return otherwise
}

// overTLS tells whether the connection is encrypted.
func (e env) overTLS() bool { return strings.HasSuffix(e.security, "SSL") }

// sasl tells whether the client authenticates itself.
func (e env) sasl() bool { return strings.HasPrefix(e.security, "SASL_") }

// tlsConfig trusts the lab's certificate and writes the secrets to SSLKEYLOGFILE.
func (e env) tlsConfig() *tls.Config {
	pem, err := os.ReadFile(e.ca)
	if err != nil {
		stop(err)
	}
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		stop(fmt.Errorf("%s has no certificate", e.ca))
	}
	if name := os.Getenv("SSLKEYLOGFILE"); name != "" {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			stop(err)
		}
		c.KeyLogWriter = f
	}
	return c
}

func stop(err error) {
	fmt.Println("environment:", err)
	os.Exit(2)
}

// value is the value of the record with that number, from 1 on.
func value(n int) string { return fmt.Sprintf("secret-%d", n) }

// key is its key.
func key(n int) string { return fmt.Sprintf("key-%d", n) }

// work is what a client can do.
type work struct {
	list func(env) ([]string, error)
	// send opens a producer: a function that sends one record and waits for its
	// acknowledgement, and one that closes the producer.
	send func(env) (one func(key, value string) error, closeAll func(), err error)
	// receive consumes in a group until the time is over, an error ends it, or it has enough.
	receive func(e env, until time.Time, got func(value []byte) (enough bool)) error
}

// produce sends three records.
func (w work) produce(e env) error {
	one, closeAll, err := w.send(e)
	for n := 1; n <= 3 && err == nil; n++ {
		err = one(key(n), value(n))
	}
	if closeAll != nil {
		closeAll()
	}
	return err
}

// consume receives them.
func (w work) consume(e env) error {
	n := 0
	err := w.receive(e, time.Now().Add(consumeLimit-consumeLimit/7), func(v []byte) bool {
		if strings.HasPrefix(string(v), "secret-") {
			n++
		}
		return n >= 3
	})
	if n < 3 {
		return errors.Join(fmt.Errorf("%d of 3 records came", n), err)
	}
	return err
}

// lab does the three steps, or the steady run where LAB_STEADY asks for one, prints
// how each ended and leaves the process.
func lab(w work) {
	e := env{
		bootstrap: os.Getenv("KAFKA_BOOTSTRAP"), topic: os.Getenv("KAFKA_TOPIC"), group: os.Getenv("KAFKA_GROUP"),
		security: os.Getenv("KAFKA_SECURITY"), mechanism: os.Getenv("KAFKA_SASL_MECHANISM"),
		user: os.Getenv("KAFKA_USER"), password: os.Getenv("KAFKA_PASSWORD"), ca: os.Getenv("KAFKA_CA"),
	}
	if e.bootstrap == "" || e.topic == "" || e.group == "" {
		stop(errors.New("KAFKA_BOOTSTRAP, KAFKA_TOPIC and KAFKA_GROUP are needed"))
	}
	if ms := number("LAB_STEADY"); ms > 0 {
		w.steady(e, time.Duration(ms)*time.Millisecond)
		os.Exit(0)
	}
	time.AfterFunc(watchdog, func() {
		fmt.Println("failed: not done after", watchdog)
		os.Exit(3)
	})
	ok := step("produce", produceLimit, func() (string, error) { return "3 records", w.produce(e) })
	ok = step("consume", consumeLimit, func() (string, error) { return "3 records", w.consume(e) }) && ok
	ok = step("list", listLimit, func() (string, error) {
		topics, err := w.list(e)
		return fmt.Sprintf("%d topics", len(topics)), err
	}) && ok
	if !ok {
		os.Exit(1)
	}
}

// step runs one step and says how it ended. What is not done in time goes on
// beside the next step until the process ends.
func step(name string, limit time.Duration, f func() (string, error)) bool {
	type end struct {
		said string
		err  error
	}
	done := make(chan end, 1)
	go func() {
		said, err := f()
		done <- end{said, err}
	}()
	select {
	case e := <-done:
		if e.err != nil {
			fmt.Printf("failed %s: %v\n", name, e.err)
			return false
		}
		fmt.Printf("ok %s: %s\n", name, e.said)
		return true
	case <-time.After(limit):
		fmt.Printf("failed %s: not done after %v\n", name, limit)
		return false
	}
}

// number is a variable of the environment, 0 unless it is a number.
func number(name string) int {
	n, _ := strconv.Atoi(os.Getenv(name))
	return n
}

// steady sends a record every LAB_PAUSE ms and consumes them for a time. Errors are
// printed and do not end it: the broker may go away and come back.
func (w work) steady(e env, length time.Duration) {
	until := time.Now().Add(length)
	var sent, failures, received atomic.Int64
	done := make(chan bool, 2)
	report := func(what string, err error) {
		if failures.Add(1) <= 20 {
			fmt.Printf("%s %s: %v\n", time.Now().Format("15:04:05.000"), what, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
	go func() {
		for time.Now().Before(until) {
			one, closeAll, err := w.send(e)
			if err != nil {
				report("open producer", err)
				continue
			}
			for time.Now().Before(until) {
				n := int(sent.Add(1))
				if err := one(key(n), value(n)+strings.Repeat(".", number("LAB_SIZE"))); err != nil {
					report("send", err)
				}
				time.Sleep(min(time.Until(until), time.Duration(max(100, number("LAB_PAUSE")))*time.Millisecond))
			}
			closeAll()
		}
		done <- true
	}()
	go func() {
		for time.Now().Before(until) {
			if err := w.receive(e, until, func([]byte) bool { received.Add(1); return false }); err != nil {
				report("consume", err)
			}
		}
		done <- true
	}()
	late := time.After(length + 4*time.Second)
	for range 2 {
		select {
		case <-done:
		case <-late:
		}
	}
	fmt.Printf("ok steady: %d records sent, %d received, %d errors\n", sent.Load(), received.Load(), failures.Load())
}

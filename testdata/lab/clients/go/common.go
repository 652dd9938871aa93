//go:build ignore

// Common to the Go clients of the lab: what the environment asks for, TLS, and
// the steps. Each client is this file and one more, built in a module of its own.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
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

// read counts the records of the lab among the values that a consumer gets.
type read struct{ n int }

// done takes a value and tells whether all three have come.
func (r *read) done(v []byte) bool {
	if strings.HasPrefix(string(v), "secret-") {
		r.n++
	}
	return r.n >= 3
}

// lab does the three steps, says how each ended and leaves the process.
func lab(produce, consume func(env) error, list func(env) ([]string, error)) {
	e := env{
		bootstrap: os.Getenv("KAFKA_BOOTSTRAP"), topic: os.Getenv("KAFKA_TOPIC"), group: os.Getenv("KAFKA_GROUP"),
		security: os.Getenv("KAFKA_SECURITY"), mechanism: os.Getenv("KAFKA_SASL_MECHANISM"),
		user: os.Getenv("KAFKA_USER"), password: os.Getenv("KAFKA_PASSWORD"), ca: os.Getenv("KAFKA_CA"),
	}
	if e.bootstrap == "" || e.topic == "" || e.group == "" {
		stop(errors.New("KAFKA_BOOTSTRAP, KAFKA_TOPIC and KAFKA_GROUP are needed"))
	}
	time.AfterFunc(watchdog, func() {
		fmt.Println("failed: not done after", watchdog)
		os.Exit(3)
	})
	ok := step("produce", produceLimit, func() (string, error) { return "3 records", produce(e) })
	ok = step("consume", consumeLimit, func() (string, error) { return "3 records", consume(e) }) && ok
	ok = step("list", listLimit, func() (string, error) {
		topics, err := list(e)
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

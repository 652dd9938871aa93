package main

import (
	"slices"
	"strings"
	"syscall"
	"time"
)

// Clients of scenarios. each has one or two of every family, four those of them and their
// neighbours that Kafka 4 serves.
var (
	each = []string{"java-0.10.2.2", "java-1.1.1", "java-3.9.2", "confluent-go-2.11.1", "franz-go-*", "sarama-1.38.0", "sarama-1.45.2-v3.6", "sarama-1.61.1", "kafka-python-2.0.2", "kafka-python-3.0.12",
		"aiokafka-*", "kafkajs-2.2.4", "platformatic-2.12.1", "segmentio-0.4.51", "rdkafka-*"}
	four = []string{"java-2.1.0", "java-4.4.0", "confluent-go-2.11.1", "rdkafka-*", "franz-go-*", "sarama-1.61.1", "kafka-python-2.2.15", "aiokafka-*", "kafkajs-2.2.4", "segmentio-0.4.51", "platformatic-2.12.1"}
)

// chaosLater are the releases that a scenario starts later on.
var chaosLater = map[string][]string{}

const second = time.Second

// scenarios are all of them.
func scenarios() []scenario {
	var all []scenario
	for _, s := range healthScenarios() {
		all = append(all, s)
		if slices.Equal(s.nodes, []string{last3}) && slices.Equal(s.clients, each) {
			s.name, s.nodes, s.clients = s.name+"-4", []string{newest}, four
			all = append(all, s)
		}
	}
	for _, s := range all {
		if l := overTLS(s.listener); l != s.listener {
			s.name, s.listener = s.name+"-tls", l
			all = append(all, s)
		}
	}
	for i := range all {
		all[i].class = health
	}
	return slices.Concat(all, troubleScenarios(), pairScenarios(), foreignScenarios())
}

// overTLS is the listener for the same over TLS.
func overTLS(l listener) listener {
	switch l {
	case plaintext:
		return ssl
	case saslPlain:
		return saslSSL
	case proxied:
		return proxiedSSL
	}
	return l
}

// The nodes of most scenarios.
const last3, newest = "3.9.2-kraft", "4.4.0-kraft"

// healthScenarios are ordinary events of operation, in which no version, client or setting is at fault.
func healthScenarios() []scenario {
	clear := func(name string, length time.Duration, right string, acts ...act) scenario {
		return scenario{name: name, nodes: []string{last3}, listener: plaintext, clients: each, length: length * second, acts: acts, truth: truth{Right: right}}
	}
	with := func(s scenario, change func(*scenario)) scenario { change(&s); return s }
	behind := func(s scenario, change func(*scenario)) scenario {
		s.listener = proxied
		change(&s)
		return s
	}
	three := func(s scenario) scenario {
		s.nodes, s.whole = []string{last3, last3, last3}, true
		s.clients = four
		return s
	}
	return slices.Concat([]scenario{
		with(clear("term", 30, "the broker is restarted (TERM) while long polls wait; the clients go on afterwards",
			act{8 * second, down(0, syscall.SIGTERM, 0)}), func(s *scenario) { s.whole = true }),
		with(clear("kill", 35, "the broker is killed (KILL) while long polls wait, and back 5 s later",
			act{8 * second, down(0, syscall.SIGKILL, 5*second)}), func(s *scenario) { s.whole = true }),
		with(clear("freeze", 38, "the broker hangs for 20 s (SIGSTOP) and goes on", act{8 * second, freeze(0, 20*second)}), func(s *scenario) { s.whole = true }),
		clear("freeze-kill", 40, "the broker hangs for 8 s, is killed, and back 4 s later", act{8 * second, freeze(0, 8*second)}, act{16 * second, down(0, syscall.SIGKILL, 4*second)}),
		clear("twice", 45, "the broker is restarted (TERM), and killed and started again 10 s later", act{6 * second, down(0, syscall.SIGTERM, 0)}, act{20 * second, down(0, syscall.SIGKILL, 0)}),
		clear("stutter", 30, "the broker is stopped for 2 s every 4 s", act{4 * second, freeze(0, 2*second)}, act{8 * second, freeze(0, 2*second)}, act{12 * second, freeze(0, 2*second)}, act{16 * second, freeze(0, 2*second)}),
		clear("absent", 35, "the clients are there before the broker is up", act{0, down(0, syscall.SIGKILL, 8*second)}),
		clear("cut", 35, "the cable is out for 10 s", act{8 * second, cut(10 * second)}),
		clear("drop", 35, "a firewall drops what the clients send for 12 s", act{8 * second, nft("tcp dport 9000-19999 drop", 12*second)}),
		clear("reject", 30, "a firewall resets connections for 6 s", act{8 * second, nft("tcp dport 9000-19999 reject with tcp reset", 6*second)}),
		clear("client-freeze", 40, "the clients are stopped for 15 s", act{8 * second, freezeClients(15 * second)}),
		clear("client-kill", 15, "the clients are killed", act{10 * second, killClients}),
		with(clear("middle", 25, "recorded from the middle, not to the end"), func(s *scenario) { s.from, s.to = 8*second, 18*second }),
		with(clear("middle-kill", 35, "recorded from the middle; the broker is killed, and back 4 s later", act{12 * second, down(0, syscall.SIGKILL, 4*second)}), func(s *scenario) { s.from = 8 * second }),
		with(clear("end-kill", 28, "the broker is killed, and the recording ends before it is back", act{10 * second, down(0, syscall.SIGKILL, 5*second)}), func(s *scenario) { s.to = 13 * second }),
		with(clear("late", 30, "recording begins while the broker is away", act{5 * second, down(0, syscall.SIGKILL, 8*second)}), func(s *scenario) { s.from = 7 * second }),
		with(clear("large", 35, "records of 150 KB; the broker is killed, and back at once", act{14 * second, down(0, syscall.SIGKILL, 0)}), func(s *scenario) {
			s.environment = []string{"LAB_SIZE=150000", "LAB_PAUSE=9000"}
		}),
	}, []scenario{
		behind(clear("haproxy-kill", 40, "behind HAProxy; the broker is killed, and back 12 s later", act{8 * second, down(0, syscall.SIGKILL, 12*second)}), func(s *scenario) { s.proxy, s.whole = haproxy("", 60*second), true }),
		behind(clear("haproxy-check-term", 40, "behind HAProxy, which checks the broker; it is ended (TERM), and back 12 s later", act{8 * second, down(0, syscall.SIGTERM, 12*second)}), func(s *scenario) { s.proxy = haproxy("check inter 1s", 60*second) }),
		behind(clear("haproxy-absent", 35, "behind HAProxy; the broker is not there for the first 12 s", act{0, down(0, syscall.SIGKILL, 12*second)}), func(s *scenario) { s.proxy = haproxy("check inter 1s", 60*second) }),
		behind(clear("haproxy-freeze", 40, "behind HAProxy, which ends connections that are silent for 6 s; the broker hangs for 15 s", act{8 * second, freeze(0, 15*second)}), func(s *scenario) { s.proxy = haproxy("", 6*second) }),
		behind(clear("nginx-kill", 40, "behind nginx; the broker is killed, and back 12 s later", act{8 * second, down(0, syscall.SIGKILL, 12*second)}), func(s *scenario) { s.proxy = nginx(60 * second) }),
		behind(clear("nginx-absent", 35, "behind nginx; the broker is not there for the first 12 s", act{0, down(0, syscall.SIGKILL, 12*second)}), func(s *scenario) { s.proxy = nginx(60 * second) }),
		behind(clear("haproxy-idle", 40, "behind HAProxy, which ends connections that are silent for 5 s"), func(s *scenario) {
			s.proxy, s.environment = haproxy("", 5*second), []string{"LAB_PAUSE=12000"}
		}),
		behind(clear("nginx-idle", 40, "behind nginx, which ends connections that are silent for 5 s"), func(s *scenario) {
			s.proxy, s.environment = nginx(5*second), []string{"LAB_PAUSE=12000"}
		}),
	}, []scenario{
		with(clear("idle", 55, "the broker closes connections that are idle for 10 s"), func(s *scenario) {
			s.config, s.environment = []string{"connections.max.idle.ms=10000"}, []string{"LAB_PAUSE=22000"}
		}),
		with(clear("limit", 20, "the broker allows two connections from each address"), func(s *scenario) {
			s.config = []string{"max.connections.per.ip=2", "max.connections.per.ip.overrides=127.0.0.1:1000," + chaosHost(1) + ":1000"}
		}),
		with(clear("reauth", 35, "the broker wants authentication again every 8 s, and the client complies"), func(s *scenario) {
			s.listener, s.config = saslPlain, []string{"connections.max.reauth.ms=8000"}
			s.clients = reauthenticating
		}),
		with(clear("sasl-kill", 35, "the broker is killed while long polls wait, and back 5 s later; with SASL", act{8 * second, down(0, syscall.SIGKILL, 5*second)}), func(s *scenario) {
			s.listener = saslPlain
		}),
	}, []scenario{
		with(clear("upgrade", 45, "the broker is upgraded in place from 3.9.2 to 4.4.0", act{8 * second, become(0, newest)}), func(s *scenario) {
			s.clients, s.whole, s.truth.Worst = four, true, "warning"
		}),
		with(clear("rollback", 45, "a broker of 4.4.0 is replaced by one of 3.9.2; the clients negotiate anew", act{8 * second, replace(0, last3)}), func(s *scenario) {
			s.nodes, s.clients, s.truth.Worst = []string{newest}, four, "warning"
		}),
		three(clear("rolling", 55, "three brokers are restarted one by one", act{8 * second, down(0, syscall.SIGTERM, 0)}, act{9 * second, down(1, syscall.SIGTERM, 0)}, act{10 * second, down(2, syscall.SIGTERM, 0)})),
		three(clear("one-of-three", 45, "one of three brokers hangs for 10 s, another is killed and back", act{8 * second, freeze(1, 10*second)}, act{20 * second, down(2, syscall.SIGKILL, 4*second)})),
		with(three(clear("rolling-upgrade", 60, "three brokers are upgraded one by one from 3.9.2 to 4.4.0", act{8 * second, become(0, newest)}, act{9 * second, become(1, newest)}, act{10 * second, become(2, newest)})), func(s *scenario) {
			s.truth.Worst = "warning"
		}),
	})
}

// reauthenticating are the clients that follow KIP-368.
var reauthenticating = []string{"java-3.9.2", "java-4.4.0", "confluent-*", "rdkafka-*", "franz-go-*", "sarama-1.45.2-v3.6", "sarama-1.61.1", "kafka-python-3.0.12", "platformatic-2.12.1"}

func init() {
	for _, name := range []string{"upgrade", "rolling-upgrade"} {
		chaosLater[name], chaosLater[name+"-tls"] = []string{newest}, []string{newest}
	}
	chaosLater["rollback"], chaosLater["rollback-tls"] = []string{last3}, []string{last3}
}

// pairScenarios are clients and brokers over TLS, and nothing else happens.
func pairScenarios() []scenario {
	var all []scenario
	for _, name := range []string{"1.1.1-zookeeper", "2.1.1-zookeeper", "2.6.1-zookeeper", "2.8.2-zookeeper", "3.9.2-kraft", "4.0.0-kraft", "4.4.0-kraft"} {
		for _, version := range []string{"1.2", "1.3"} {
			if version == "1.3" && !nodes(name)[0].atLeast(2, 6) {
				continue // KIP-573
			}
			for _, l := range []listener{ssl, saslSSL} {
				sort := "pair" + strings.ReplaceAll(version, ".", "")
				all = append(all, scenario{name: sort + "-" + name + l.suffix, class: pairs, nodes: []string{name}, listener: l, clients: []string{"*"},
					config: []string{"ssl.enabled.protocols=TLSv" + version}})
			}
		}
	}
	return all
}

package main

import (
	"context"
	"slices"
)

// some reports that a code must be there, however often.
func some(codes ...string) map[string]*int {
	m := map[string]*int{}
	for _, c := range codes {
		m[c] = nil
	}
	return m
}

// negotiating are the clients that ask for ranges and obey them.
var negotiating = []string{"java-1.1.1", "java-3.9.2", "confluent-go-2.11.1", "franz-go-*", "sarama-1.61.1", "kafka-python-3.0.12", "aiokafka-*", "kafkajs-2.2.4", "segmentio-0.4.51", "platformatic-2.12.1"}

// anyone is these and two that do not ask, or ask otherwise.
var anyone = append(slices.Clone(negotiating), "sarama-1.45.2-v3.6", "kafka-python-2.0.2")

// versions are the codes that say that a version of a request is at fault.
var versions = []string{"KV1001", "KV1002", "KV1003", "KV1004", "KV2001", "KV2002", "KV3001"}

// troubleScenarios have one thing each that is the matter.
func troubleScenarios() []scenario {
	old, oldZooKeeper := []string{"2.1.1-zookeeper"}, []string{"3.9.2-zookeeper"}
	now := []string{last3}
	steps := func(name string, nodes, clients []string, l listener, t truth, change func(*scenario)) scenario {
		s := scenario{name: name, nodes: nodes, listener: l, clients: clients, truth: t}
		if change != nil {
			change(&s)
		}
		return s
	}
	port := func(n int) func(*scenario) { return func(s *scenario) { s.port = n } }
	env := func(vars ...string) func(*scenario) { return func(s *scenario) { s.environment = vars } }
	session := func(s *scenario) {
		s.config, s.length = []string{"connections.max.reauth.ms=8000"}, 25*second
	}
	large := func(s *scenario) {
		s.config, s.length, s.environment = []string{"socket.request.max.bytes=60000"}, 15*second, []string{"LAB_SIZE=100000", "LAB_PAUSE=3000"}
		s.clients = slices.DeleteFunc(slices.Clone(anyone), func(c string) bool { return c == "franz-go-*" }) // which compresses
	}
	fake := func(name, say, right string, proxy func(context.Context, *stage) (func() error, error)) scenario {
		return steps(name, now, anyone, plaintext, truth{Right: right, Codes: some("KV2012"), First: "KV2012", No: versions, Say: []string{say}, Not: []string{"nothing found"}}, func(s *scenario) {
			s.port, s.proxy = fakePort, proxy
		})
	}
	behind := func(name string, nodes []string, t truth, p tamper) scenario {
		return steps(name, nodes, negotiating, proxied, t, func(s *scenario) { s.proxy = p.stand })
	}
	saslMissing := truth{Right: "the listener wants SASL, and no client begins it: each request behind ApiVersions is closed", OneOf: []string{"KV2010"}, First: "KV2010", No: versions, Not: []string{"nothing found"}}
	all := []scenario{
		steps("sasl-missing", now, negotiating, plaintext, saslMissing, port(saslPlain.port)),
		steps("sasl-missing-old", old, negotiating, plaintext, saslMissing, port(saslPlain.port)),
		steps("sasl-missing-4", []string{newest}, four, plaintext, saslMissing, port(saslPlain.port)),
		steps("sasl-missing-tls", now, negotiating, ssl, saslMissing, port(saslSSL.port)),
		steps("sasl-missing-blind", now, []string{"sarama-1.45.2-v3.6", "sarama-1.38.0", "kafka-python-2.0.2"}, plaintext,
			truth{Right: "the listener wants SASL; the client does not negotiate and does not begin SASL", OneOf: []string{"KV2010", "KV2012", "KV2001"}, No: []string{"KV1001", "KV1002", "KV1003"}, Not: []string{"nothing found"}}, port(saslPlain.port)),
		fake("http", "HTTP", "the port answers HTTP", webServer),
		fake("ssh", "SSH", "the port is that of an SSH server", greeting("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n", "")),
		fake("smtp", "SMTP|220 ", "the port is that of a mail server", greeting("220 mail.example.org ESMTP Postfix\r\n", "500 5.5.2 Error: bad syntax\r\n")),
		fake("redis", "Redis|ERR", "the port is that of Redis", greeting("", "-ERR Protocol error: unbalanced quotes in request\r\n")),
		fake("mysql", "MySQL", "the port is that of MySQL", greeting("\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00lkj123kl\x00\xff\xff\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00abcdefghijkl\x00mysql_native_password\x00", "")),
		fake("http2", "HTTP/2", "the port answers HTTP/2", greeting("\x00\x00\x00\x04\x00\x00\x00\x00\x00", "")),
		steps("closes", now, anyone, plaintext, truth{Right: "nothing there answers anything: each connection is closed on its first request", OneOf: []string{"KV2012", "KV2013"}, No: versions, Not: []string{"nothing found"}}, func(s *scenario) {
			s.port, s.proxy = fakePort, serve(closesAtOnce)
		}),
		steps("silent", now, anyone, plaintext, truth{Right: "nothing there answers anything: each request is met with silence", OneOf: []string{"KV2012", "KV2013"}, No: versions, Not: []string{"nothing found"}}, func(s *scenario) {
			s.port, s.proxy = fakePort, greeting("", "")
		}),
		steps("zookeeper", oldZooKeeper, anyone, plaintext, truth{Right: "the port is ZooKeeper's", Codes: some("KV2012"), First: "KV2012", No: versions, Not: []string{"nothing found"}}, port(zookeeperPort)),
		steps("controller", now, negotiating, plaintext, truth{Right: "a client at a KRaft controller's listener: it has to use a broker's", Say: []string{"controller"}, No: []string{"KV1001", "KV1002", "KV2001", "KV2002"}, Not: []string{"nothing found"}}, port(controllerPort)),
		steps("controller-4", []string{newest}, four, plaintext, truth{Right: "a client at a KRaft controller's listener: it has to use a broker's", Say: []string{"controller"}, No: []string{"KV1001", "KV1002", "KV2001", "KV2002"}, Not: []string{"nothing found"}}, port(controllerPort)),
		steps("clear-to-tls", now, anyone, plaintext, truth{Right: "clear text to a TLS listener", Codes: some("KV2007"), First: "KV2007", No: versions}, port(ssl.port)),
		steps("tls-to-clear", now, anyone, ssl, truth{Right: "TLS to a listener in the clear, which closes on it", OneOf: []string{"KV2007", "KV9004"}, No: versions}, port(plaintext.port)),
		steps("wrong-ca", now, anyone, ssl, truth{Right: "the client does not trust the broker's certificate", Codes: some("KV9004"), No: append([]string{"KV2020"}, versions...)}, env("KAFKA_CA=/etc/ssl/certs/ISRG_Root_X1.pem")),
		steps("certificate-missing", now, anyone, ssl, truth{Right: "the broker requires a certificate, and the client has none", Codes: some("KV9004"), First: "KV9004", No: append([]string{"KV2020"}, versions...)}, func(s *scenario) {
			s.config = []string{"ssl.client.auth=required"}
		}),
		steps("wrong-password", now, negotiating, saslPlain, truth{Right: "the password is wrong", Codes: some("KV2008"), First: "KV2008", No: versions}, env("KAFKA_PASSWORD=secret-wrong")),
		steps("wrong-password-scram", now, negotiating, scram256, truth{Right: "the password is wrong (SCRAM)", Codes: some("KV2008"), First: "KV2008", No: versions}, env("KAFKA_PASSWORD=secret-wrong")),
		steps("wrong-password-old", old, negotiating, saslPlain, truth{Right: "the password is wrong", Codes: some("KV2008"), First: "KV2008", No: versions}, env("KAFKA_PASSWORD=secret-wrong")),
		steps("wrong-password-tls", now, negotiating, saslSSL, truth{Right: "the password is wrong", Codes: some("KV2008"), First: "KV2008", No: versions}, env("KAFKA_PASSWORD=secret-wrong")),
		steps("wrong-mechanism", now, negotiating, saslPlain, truth{Right: "the broker has not the mechanism that the client asks for", Codes: some("KV2008"), First: "KV2008", No: versions}, func(s *scenario) {
			s.config = []string{"sasl.enabled.mechanisms=SCRAM-SHA-256"}
		}),
		steps("init-producer-missing", []string{"2.8.2-kraft"}, []string{"java-3.9.2", "java-4.4.0", "franz-go-*"}, plaintext, truth{Right: "the broker does not advertise InitProducerId, which an idempotent producer needs", Codes: some("KV2014"), Say: []string{"InitProducerId"}, No: versions, Not: []string{"nothing found"}}, nil),
		steps("session-expired", now, []string{"aiokafka-*", "segmentio-*"}, saslPlain, truth{Right: "the SASL session is over, and the client does not authenticate again", Codes: some("KV2015"), First: "KV2015", No: append([]string{"KV2009", "KV2010"}, versions...)}, session),
		steps("session-expired-tls", now, []string{"aiokafka-*", "segmentio-*"}, saslSSL, truth{Right: "the SASL session is over, and the client does not authenticate again", Codes: some("KV2015"), First: "KV2015", No: append([]string{"KV2009", "KV2010"}, versions...)}, session),
		steps("session-untold-tls", now, []string{"kafka-python-2.*", "sarama-1.38.0", "java-2.1.0", "java-1.1.1"}, saslSSL, truth{Right: "the SASL session is over; the client speaks versions of SASL in which the broker does not say how long it lasts", No: append([]string{"KV2009", "KV2010"}, versions...)}, session),
		steps("session-untold", now, []string{"kafka-python-2.*", "sarama-1.38.0", "java-2.1.0", "java-1.1.1"}, saslPlain, truth{Right: "the SASL session is over; the client speaks versions of SASL in which the broker does not say how long it lasts", No: append([]string{"KV2009", "KV2010"}, versions...)}, session),
		steps("illegal-sasl-state", now, []string{"kafkajs-*"}, saslPlain, truth{Right: "the client authenticates again while it has to wait for an answer: SaslHandshake is answered with error 34", Codes: some("KV2008"), No: append([]string{"KV2009", "KV2010"}, versions...)}, session),
		steps("too-large", now, anyone, plaintext, truth{Right: "requests are larger than socket.request.max.bytes of the broker", Codes: some("KV2016"), First: "KV2016", No: versions}, large),
		steps("too-large-tls", now, anyone, ssl, truth{Right: "requests are larger than socket.request.max.bytes of the broker", Codes: some("KV2016"), First: "KV2016", No: versions}, large),
		steps("message-format", old, []string{"java-3.9.2", "java-4.4.0", "franz-go-*"}, plaintext, truth{Right: "error 43: the topic's message format is that of 0.10, the producer is idempotent", Codes: some("KV2018"), First: "KV2018", No: versions}, func(s *scenario) {
			s.config = []string{"log.message.format.version=0.10.1", "inter.broker.protocol.version=2.1"}
		}),
		steps("client-name", now, []string{"franz-go-*"}, plaintext, truth{Right: "the announced software name has a space, which KIP-511 does not allow", Codes: some("KV2011"), First: "KV2011", No: []string{"KV2002"}, Say: []string{"RP Console"}}, env("LAB_SOFTWARE=RP Console")),
		steps("client-name-devel", []string{newest}, []string{"franz-go-*"}, plaintext, truth{Right: "the announced software name is (devel), which KIP-511 does not allow", Codes: some("KV2011"), First: "KV2011", No: []string{"KV2002"}, Say: []string{`\(devel\)`}}, env("LAB_SOFTWARE=(devel)")),
		steps("group-protocol", now, []string{"java-3.9.2", "java-4.4.0"}, plaintext, truth{Right: "group.protocol=consumer, which the broker has not enabled", OneOf: []string{"KV3001", "KV1003"}, Say: []string{"group.protocol|group.version"}, No: []string{"KV2001", "KV2002"}}, env("LAB_GROUP_PROTOCOL=consumer")),
	}
	for _, x := range []struct {
		name string
		api  int16
		say  string
	}{{"metadata", 3, "Metadata"}, {"fetch", 1, "Fetch"}, {"produce", 0, "Produce"}, {"find-coordinator", 10, "FindCoordinator"}, {"join-group", 11, "JoinGroup"}} {
		t := truth{Right: "what answers ApiVersions (a proxy) advertises more of " + x.say + " than the broker behind it supports", Codes: some("KV2009"), First: "KV2009", No: append([]string{"KV2010"}, versions...), Say: []string{x.say, "proxy"}}
		s := behind("advertised-"+x.name, old, t, tamper{response: advertise(map[int16]int16{x.api: 2})})
		s.clients = []string{"java-3.9.2", "confluent-go-2.11.1", "franz-go-*", "sarama-1.61.1", "kafka-python-3.0.12", "aiokafka-*", "kafkajs-2.2.4"}
		all = append(all, s)
		// Clients that ask once and wait prove nothing.
		t = truth{Right: "a proxy swallows " + x.say + ", which the broker advertises", No: t.No}
		s = behind("swallowed-"+x.name, now, t, tamper{request: refuse(x.api, 0, true)})
		s.clients = []string{"java-3.9.2", "confluent-go-2.11.1", "franz-go-*", "sarama-1.61.1", "kafka-python-3.0.12", "aiokafka-*", "kafkajs-2.2.4"}
		all = append(all, s)
	}
	all = append(all,
		behind("withheld-metadata", now, truth{Right: "a proxy takes Metadata from what is advertised; clients stop or ask all the same", OneOf: []string{"KV2014", "KV2004", "KV1003"}, No: []string{"KV1001", "KV1002", "KV2001", "KV2002"}, Not: []string{"nothing found"}},
			tamper{response: withhold(3)}),
		behind("withheld-init-producer", now, truth{Right: "a proxy takes InitProducerId from what is advertised", OneOf: []string{"KV2014", "KV2004", "KV1003"}, No: []string{"KV1001", "KV1002", "KV2001", "KV2002"}, Not: []string{"nothing found"}},
			tamper{response: withhold(22)}),
		behind("api-versions-closed", now, truth{Right: "a proxy closes on ApiVersions from v3 on instead of answering error 35", OneOf: []string{"KV2002", "KV2012"}, Not: []string{"nothing found"}},
			tamper{request: refuse(18, 3, false)}),
		behind("api-versions-4-closed", now, truth{Right: "a proxy closes on ApiVersions v4 instead of answering error 35", Codes: some("KV2002"), First: "KV2002"}, tamper{request: refuse(18, 4, false)}),
		behind("wrong-refusal", now, truth{Right: "a proxy answers ApiVersions with error 35 in another layout than that of version 0", Codes: some("KV2017"), First: "KV2017", No: []string{"KV2002"}}, tamper{request: wrongRefusal}),
	)
	for i := range all {
		switch all[i].name {
		case "api-versions-4-closed":
			all[i].clients = []string{"java-3.9.2", "java-4.4.0", "franz-go-*", "kafka-python-3.0.12"}
		case "withheld-init-producer":
			all[i].clients = []string{"java-3.9.2", "java-4.4.0", "franz-go-*"}
		case "wrong-refusal":
			all[i].evident = true
			all[i].clients = []string{"java-3.9.2", "java-4.4.0", "confluent-go-2.11.1", "franz-go-*", "sarama-1.61.1", "kafka-python-3.0.12", "platformatic-2.12.1"} // which ask in v3 and up
		}
	}
	all = append(all, mismatches()...)
	for i := range all {
		all[i].class = trouble
	}
	return all
}

// mismatches are true ones: clients on brokers that do not support what they send, from
// the beginning or since the broker became another.
func mismatches() []scenario {
	mismatch := truth{Right: "the broker refuses versions that the client sends", OneOf: []string{"KV1001", "KV1002", "KV1003", "KV1004", "KV2001"}, Not: []string{"nothing found"}}
	turned := func(name, from, to, right string, clients ...string) scenario {
		t := mismatch
		t.Right = right
		chaosLater[name] = []string{to}
		return scenario{name: name, nodes: []string{from}, listener: plaintext, clients: clients, length: 35 * second, acts: []act{{8 * second, replace(0, to)}}, truth: t, byLog: true, evident: true}
	}
	all := []scenario{
		turned("downgrade-fetch", "2.8.2-zookeeper", "2.6.1-zookeeper", "a broker of 2.8 is replaced by one of 2.6, which refuses Fetch v12 of librdkafka 2.6.0", "confluent-go-2.6.0", "confluent-python-2.6.0"),
		turned("downgrade-metadata", "3.9.2-zookeeper", "2.1.1-zookeeper", "a broker of 3.9 is replaced by one of 2.1, which refuses what sarama sends without negotiation", "sarama-1.45.2-v3.6"),
		turned("upgrade-old-clients", last3, newest, "a broker of 3.9 is replaced by one of 4.4, which refuses what old clients send", "java-0.10.2.2", "java-1.1.1", "sarama-1.38.0", "sarama-1.30.1", "segmentio-0.4.47"),
	}
	for _, name := range []string{"0.10.2.2-zookeeper", "1.1.1-zookeeper", "2.1.1-zookeeper", "2.6.1-zookeeper", "4.0.0-kraft", "4.0.1-kraft", newest} {
		all = append(all, scenario{name: "mismatch-" + name, nodes: []string{name}, listener: plaintext, clients: []string{"*"}, truth: mismatch, byLog: true, evident: true})
	}
	return all
}

// Package live holds the tests of kafkavet sniff against real clients on the
// loopback interface and in network namespaces. They need root, ip, tcpdump and
// chromium, and for librdkafka a C compiler:
//
//	cd testdata/live && CGO_ENABLED=1 go test -tags root
//
// This is a module of its own so that neither the fake broker nor the
// clients become dependencies of kafkavet.
package live

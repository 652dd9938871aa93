//go:build unix

package main

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// smallRequests are n requests of few bytes in one segment, with correlation ids from first on.
func smallRequests(first int32, n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, capturetest.RequestHeader{Key: 3, Version: 1, CorrelationID: first + int32(i), ClientID: "c", HeaderVersion: 1}.Frame(make([]byte, 4))...)
	}
	return b
}

// mute writes size connections with 1,020 small requests each to a listener that is silent.
func mute(out *output, size int) error {
	const segments, each = 51, 20
	return out.each(size, func(i int) {
		c := silent(out.Open(client(i), broker))
		for s := range segments {
			c.Send(capturetest.ToBroker, smallRequests(int32(s*each), each))
		}
	})
}

// oneByte writes size segments of one byte, each with a hole before it, on 256 connections.
func oneByte(out *output, size int) error {
	const connections = 256
	return out.each(connections, func(i int) {
		c := silent(out.Open(client(i), broker))
		c.Send(capturetest.ToBroker, capturetest.ApiVersionsRequest(0, 1, "c", "", ""))
		c.Miss(capturetest.ToBroker, 10)
		for range size / connections {
			c.Send(capturetest.ToBroker, []byte{'x'})
			c.Miss(capturetest.ToBroker, 1)
		}
	})
}

// hellos writes size TLS connections whose ClientHello has 15,000 bytes of padding, and no answer.
func hellos(out *output, size int) error {
	const padding = 15_000
	return out.each(size, func(i int) {
		body := []byte{3, 3}
		for range 32 {
			body = append(body, byte(out.random.Uint32()))
		}
		body = append(body, 0, 0, 2, 0x13, 0x01, 1, 0)
		body = binary.BigEndian.AppendUint16(body, 4+padding)
		body = append(body, 0, 21, padding>>8, padding&0xff)
		body = append(body, make([]byte, padding)...)
		n := len(body)
		handshake := append([]byte{1, 0, byte(n >> 8), byte(n)}, body...)
		record := append([]byte{22, 3, 1, byte(len(handshake) >> 8), byte(len(handshake))}, handshake...)
		silent(out.Open(client(i), broker)).Send(capturetest.ToBroker, record)
	})
}

// sweep writes size connections that come and go, 16 seconds apart.
func sweep(out *output, size int) error {
	return out.each(size, func(i int) {
		c := out.Open(client(i), broker)
		c.Exchange(negotiation(1))
		c.Close(capturetest.ToBroker)
		out.Wait(16 * time.Second)
	})
}

// several returns n connections that are open, and whose clients negotiate if they do.
func several(out *output, n int, negotiate bool) []*capturetest.Conversation {
	all := make([]*capturetest.Conversation, n)
	for i := range all {
		all[i] = silent(out.Open(client(i), broker))
		if negotiate {
			all[i].Exchange(negotiation(1))
		}
	}
	return all
}

// ticks writes size packets, a second apart, on 1,000 connections in turn.
func ticks(out *output, size int) error {
	all := several(out, 1000, false)
	return out.each(size, func(i int) {
		all[i%len(all)].Send(capturetest.ToBroker, smallRequests(int32(i), 1))
		out.Wait(1100 * time.Millisecond)
	})
}

// unmatched writes size segments of 50 answers to requests that nobody sent, behind 1,020 that
// nobody answered.
func unmatched(out *output, size int) error {
	const each = 50
	c := silent(out.Open(client(0), broker))
	c.Send(capturetest.ToBroker, smallRequests(0, 1020))
	return out.each(size, func(i int) {
		var b []byte
		for n := range each {
			b = append(b, capturetest.ResponseFrame(int32(1_000_000+i*each+n), false, []byte("abcd"))...)
		}
		c.Send(capturetest.ToClient, b)
	})
}

// holes writes size segments in both directions of 64 connections, every second one missing.
func holes(out *output, size int) error {
	all := several(out, 64, true)
	return out.each(size, func(i int) {
		c, d := all[i/2%len(all)], capturetest.Direction(i%2)
		c.Miss(d, 50)
		c.Send(d, smallRequests(int32(i), 3))
	})
}

// brokers writes size connections to as many brokers.
func brokers(out *output, size int) error {
	return out.each(size, func(i int) {
		c := silent(out.Open(client(0), netip.AddrPortFrom(client(i).Addr(), client(i).Port()-10_000)))
		c.Exchange(negotiation(1))
		c.Exchange(metadata(2))
		c.Close(capturetest.ToBroker)
	})
}

// disorder writes size segments of requests on 64 connections, each 100 of them in a random order.
func disorder(out *output, size int) error {
	const window = 100
	all := several(out, 64, true)
	if err := out.flush(); err != nil {
		return err
	}
	return out.each((size+window-1)/window, func(i int) {
		c := all[i%len(all)]
		for n := range window {
			c.Send(capturetest.ToBroker, smallRequests(int32(i*window+n), 5))
		}
		times := make([]int64, len(out.Packets))
		for n := range times {
			times[n] = out.Packets[n].Time
		}
		out.random.Shuffle(len(times), func(a, b int) { out.Packets[a], out.Packets[b] = out.Packets[b], out.Packets[a] })
		slices.Sort(times)
		for n := range times {
			out.Packets[n].Time = times[n]
		}
	})
}

// prefix writes size SYNs from as many addresses of one IPv6 network of 64 bits.
func prefix(out *output, size int) error {
	to := netip.MustParseAddrPort("[2001:db8::1]:9092")
	address := netip.MustParseAddr("2001:db8:0:1::").As16()
	return out.each(size, func(i int) {
		binary.BigEndian.PutUint64(address[8:], uint64(i))
		out.Between(netip.AddrPortFrom(netip.AddrFrom16(address), uint16(i)), to).Syn(capturetest.ToBroker)
	})
}

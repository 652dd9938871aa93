package main

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// The attacks are traffic that someone makes to cost memory or time. None of it is what clients and brokers do.

// smallRequests are n requests of few bytes in one segment, with correlation ids from first on.
func smallRequests(first int32, n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, capturetest.RequestHeader{Key: 3, Version: 1, CorrelationID: first + int32(i), ClientID: "c", HeaderVersion: 1}.Frame(make([]byte, 4))...)
	}
	return b
}

// mute writes size connections with 1,020 small requests each that nobody answers.
func mute(out *output, size int) error {
	const segments, each = 51, 20
	for i := range size {
		c := out.Open(client(i), broker)
		c.Silent = true
		for s := range segments {
			c.Send(capturetest.ToBroker, smallRequests(int32(s*each), each))
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// oneByte writes size segments of one byte, each with a hole before it, on 256 connections.
func oneByte(out *output, size int) error {
	const connections = 256
	for i := range connections {
		c := out.Open(client(i), broker)
		c.Silent = true
		c.Send(capturetest.ToBroker, capturetest.ApiVersionsRequest(0, 1, "c", "", ""))
		c.Miss(capturetest.ToBroker, 10)
		for range size / connections {
			c.Send(capturetest.ToBroker, []byte{'x'})
			c.Miss(capturetest.ToBroker, 1)
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// hellos writes size TLS connections whose ClientHello has 15,000 bytes of padding, and no answer.
func hellos(out *output, size int) error {
	const padding = 15_000
	for i := range size {
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
		c := out.Open(client(i), broker)
		c.Silent = true
		c.Send(capturetest.ToBroker, record)
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// sweep writes size connections that come and go, 16 seconds apart.
func sweep(out *output, size int) error {
	for i := range size {
		c := out.Open(client(i), broker)
		c.Exchange(negotiation(1))
		c.Close(capturetest.ToBroker)
		out.Wait(16 * time.Second)
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// ticks writes size packets, a second apart, on 1,000 connections in turn.
func ticks(out *output, size int) error {
	all := make([]*capturetest.Conversation, 1000)
	for i := range all {
		all[i] = out.Open(client(i), broker)
		all[i].Silent = true
	}
	for i := range size {
		all[i%len(all)].Send(capturetest.ToBroker, smallRequests(int32(i), 1))
		out.Wait(1100 * time.Millisecond)
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// unmatched writes size segments of 50 answers to requests that nobody sent, behind 1,020 that nobody answered.
func unmatched(out *output, size int) error {
	const each = 50
	c := out.Open(client(0), broker)
	c.Silent = true
	c.Send(capturetest.ToBroker, smallRequests(0, 1020))
	for i := range size {
		var b []byte
		for n := range each {
			b = append(b, capturetest.ResponseFrame(int32(1_000_000+i*each+n), false, []byte("abcd"))...)
		}
		c.Send(capturetest.ToClient, b)
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// holes writes size segments in both directions of 64 connections, every second one missing.
func holes(out *output, size int) error {
	const connections = 64
	all := make([]*capturetest.Conversation, connections)
	for i := range all {
		all[i] = out.Open(client(i), broker)
		all[i].Silent = true
		all[i].Exchange(negotiation(1))
	}
	for i := range size {
		c, d := all[i/2%connections], capturetest.Direction(i%2)
		c.Miss(d, 50)
		c.Send(d, smallRequests(int32(i), 3))
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// brokers writes size connections to as many brokers.
func brokers(out *output, size int) error {
	for i := range size {
		c := out.Open(client(0), netip.AddrPortFrom(client(i).Addr(), client(i).Port()-10_000))
		c.Silent = true
		c.Exchange(negotiation(1))
		c.Exchange(metadata(2))
		c.Close(capturetest.ToBroker)
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// disorder writes size segments of requests on 64 connections, each 100 of them in a random order.
func disorder(out *output, size int) error {
	const connections, window = 64, 100
	all := make([]*capturetest.Conversation, connections)
	for i := range all {
		all[i] = out.Open(client(i), broker)
		all[i].Silent = true
		all[i].Exchange(negotiation(1))
	}
	if err := out.flush(); err != nil {
		return err
	}
	for i := 0; i < size; i += window {
		c := all[i/window%connections]
		for n := range window {
			c.Send(capturetest.ToBroker, smallRequests(int32(i+n), 5))
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
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// prefix writes size SYNs from as many addresses of one IPv6 network of 64 bits.
func prefix(out *output, size int) error {
	to := netip.MustParseAddrPort("[2001:db8::1]:9092")
	address := netip.MustParseAddr("2001:db8:0:1::").As16()
	for i := range size {
		binary.BigEndian.PutUint64(address[8:], uint64(i))
		out.Between(netip.AddrPortFrom(netip.AddrFrom16(address), uint16(i)), to).Syn(capturetest.ToBroker)
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

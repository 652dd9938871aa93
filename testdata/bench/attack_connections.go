//go:build unix

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// The attacks here are many connections. Each takes memory while it is open.

// begun returns the i-th connection, of which nothing was sent so far.
func (o *output) begun(i int) *capturetest.Conversation { return silent(o.Between(client(i), broker)) }

// handshake sends the SYN of both sides.
func handshake(c *capturetest.Conversation) {
	c.Syn(capturetest.ToBroker)
	c.Syn(capturetest.ToClient)
}

// unended writes size connections that negotiate, send one request and stay open.
func unended(out *output, size int) error {
	return out.each(size, func(i int) {
		c := out.begun(i)
		handshake(c)
		c.Exchange(negotiation(1))
		c.Send(capturetest.ToBroker, smallRequests(2, 1))
	})
}

// sealed writes size TLS connections that stay open behind their handshakes.
func sealed(out *output, size int) error {
	record := func(kind byte, body []byte) []byte {
		return append([]byte{kind, 3, 3, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	hello := func(kind byte, i int, rest ...byte) []byte {
		body := []byte{3, 3}
		for range 4 {
			body = binary.BigEndian.AppendUint64(body, uint64(i)<<8|uint64(kind))
		}
		body = append(body, rest...)
		return record(22, append([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body...))
	}
	return out.each(size, func(i int) {
		c := out.begun(i)
		handshake(c)
		c.Send(capturetest.ToBroker, hello(1, i, 0, 0, 2, 0x13, 1, 1, 0, 0, 7, 0, 43, 0, 3, 2, 3, 4))
		answer := hello(2, i, 0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4)
		c.Send(capturetest.ToClient, append(append(answer, record(20, []byte{1})...), record(23, make([]byte, 200))...))
		c.Send(capturetest.ToBroker, record(23, make([]byte, 60)))
	})
}

// proxied writes size connections that begin with a PROXY line of other addresses, and stay open.
func proxied(out *output, size int) error {
	return out.each(size, func(i int) {
		c := out.begun(i)
		handshake(c)
		request, response := negotiation(1)
		line := fmt.Sprintf("PROXY TCP4 11.%d.%d.%d 12.%d.%d.%d 4444 9092\r\n", i>>16&255, i>>8&255, i&255, i>>16&255, i>>8&255, i&255)
		c.Exchange(append([]byte(line), request...), response)
	})
}

// lone writes size packets with a request, each of another address. Anyone can send them.
func lone(out *output, size int) error {
	return out.each(size, func(i int) { silent(out.Join(client(i), broker)).Send(capturetest.ToBroker, smallRequests(1, 1)) })
}

// answers is lone with responses of the broker.
func answers(out *output, size int) error {
	return out.each(size, func(i int) {
		var b []byte
		for range 3 {
			b = append(b, capturetest.ResponseFrame(2, false, make([]byte, 10))...)
		}
		silent(out.Join(client(i), broker)).Send(capturetest.ToClient, b)
	})
}

// sparse writes size connections of a SYN and a byte that is out of order.
func sparse(out *output, size int) error {
	return out.each(size, func(i int) {
		c := out.begun(i)
		c.Syn(capturetest.ToBroker)
		c.Miss(capturetest.ToBroker, 100)
		c.Segment(capturetest.ToBroker, capturetest.ACK, []byte{'x'})
	})
}

// tables writes size brokers that each advertise other ranges of 3,000 APIs.
func tables(out *output, size int) error {
	const apis = 3000
	list := make([]capturetest.API, apis)
	return out.each(size, func(i int) {
		for k := range list {
			list[k] = capturetest.API{Key: int16(k), Max: int16(i * k % 30_000)}
		}
		c := silent(out.Between(client(i), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 200, byte(i >> 8), byte(i)}), broker.Port())))
		handshake(c)
		c.Exchange(capturetest.ApiVersionsRequest(0, 1, clientID, "", ""), capturetest.ApiVersionsResponse(0, 1, 0, list...))
	})
}

package capturetest

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// prefaces are the variants with a proxy between clients and brokers.
func prefaces() []Variant {
	const keeps = KeepsRequests | KeepsVerdicts | KeepsOutcomes
	var all []Variant
	for _, p := range Prefaces() {
		all = append(all, Variant{p.Name, keeps, func(packets []Packet, _ uint64) []Packet { return p.Before(packets) }})
	}
	split := all[firstPrefaces-1]
	pieces := Variant{split.Name + " in pieces", keeps, func(packets []Packet, seed uint64) []Packet {
		return Split(split.Rewrite(packets, seed), seed, 5)
	}}
	return slices.Insert(all, firstPrefaces, pieces)
}

// unknown are the variants with a preface that no rule knows.
func unknown() []Variant {
	client := Preface{Clear: true, Steps: []PrefaceStep{{ToBroker, []byte("TUNNEL 7 secret\n")}, {ToClient, []byte("READY\n")}}}
	broker := Preface{Clear: true, Steps: []PrefaceStep{{ToClient, []byte("WELCOME proxy v1\r\n")}}}
	return []Variant{
		{"unknown preface", KeepsRequests | KeepsVerdicts | KeepsOutcomes, plain(client.Before)},
		{"unknown banner", KeepsRequests | KeepsVerdicts | KeepsOutcomes, plain(broker.Before)},
	}
}

// firstPrefaces is how many of prefaces without "in pieces" come before the other kinds of
// variants.
const firstPrefaces = 9

// Preface is what precedes the first byte of a client.
type Preface struct {
	Name string
	// Clear: TLS connections get no preface.
	Clear bool
	// Steps are the segments, the client's first.
	Steps []PrefaceStep
}

// PrefaceStep is one segment of a Preface.
type PrefaceStep struct {
	Dir  Direction
	Data []byte
}

// Prefaces returns all prefaces. Passwords in them contain the word secret.
func Prefaces() []Preface {
	asks := func(name string, steps ...string) Preface {
		p := Preface{Name: name}
		for i, s := range steps {
			p.Steps = append(p.Steps, PrefaceStep{Direction(i % 2), []byte(s)})
		}
		return p
	}
	const granted = "\x05\x00\x00\x01\x0a\x00\x00\x01\x10\x00"
	const connect = "CONNECT kafka.example:9092 HTTP/1.1\r\nHost: kafka.example:9092\r\nProxy-Authorization: Basic secret\r\n\r\n"
	return []Preface{
		asks("PROXY v1", "PROXY TCP4 203.0.113.7 203.0.113.8 40000 9092\r\n"),
		asks("PROXY v1 unknown", "PROXY UNKNOWN\r\n"),
		asks("PROXY v2", string(ProxyV2([]byte{203, 0, 113, 7, 203, 0, 113, 8, 0x9c, 0x40, 0x23, 0x84}, 0x11, nil))),
		asks("PROXY v2 of a network load balancer", string(ProxyV2(
			append(make([]byte, 32), 0x9c, 0x40, 0x23, 0x84), 0x21, []byte("\x03\x00\x04abcd\xea\x00\x07\x01vpce-1")))),
		asks("SOCKS4", "\x04\x01\x23\x84\xcb\x00\x71\x08secret\x00", "\x00\x5a\x00\x00\x00\x00\x00\x00"),
		asks("SOCKS4a", "\x04\x01\x23\x84\x00\x00\x00\x01secret\x00kafka.example\x00", "\x00\x5a\x00\x00\x00\x00\x00\x00"),
		asks("SOCKS5", "\x05\x01\x00", "\x05\x00", "\x05\x01\x00\x01\xcb\x00\x71\x08\x23\x84", granted),
		asks("HTTP CONNECT", connect,
			"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"),
		asks("SOCKS5 with a password", "\x05\x02\x00\x02", "\x05\x02", "\x01\x04user\x06secret", "\x01\x00",
			"\x05\x01\x00\x03\x0dkafka.example\x23\x84", granted),
		asks("PROXY v2 of no address family", string(ProxyV2(nil, 0, []byte("\x04\x00\x03abc")))),
		asks("PROXY v2 of a health check", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"),
		asks("HTTP CONNECT with an interim response", connect, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
		asks("HTTP CONNECT with bare line feeds", "CONNECT kafka.example:9092 HTTP/1.1\nHost: kafka.example:9092\n\n",
			"HTTP/1.1 200 OK\n\n"),
	}
}

// ProxyV2 returns a header of version 2 of the PROXY protocol. family is its 14th byte: 0x11 is
// TCP over IPv4.
func ProxyV2(addresses []byte, family byte, tlvs []byte) []byte {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x21, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(addresses)+len(tlvs)))
	return slices.Concat(b, addresses, tlvs)
}

// Before puts the preface before the first payload of every connection that begins with a SYN,
// unless the broker sends first.
func (p Preface) Before(packets []Packet) []Packet {
	var length [2]uint32
	for _, s := range p.Steps {
		length[s.Dir] += uint32(len(s.Data))
	}
	synced, begun := map[int]bool{}, map[int]bool{}
	return edit(packets, func(s *segment) []*segment {
		synced[s.stream] = synced[s.stream] || s.tcp.Flags&(SYN|ACK) == SYN
		if !synced[s.stream] {
			return []*segment{s}
		}
		var out []*segment
		if !begun[s.stream] {
			if s.length == 0 || s.tcp.Flags&SYN != 0 || s.dir != ToBroker {
				if s.length > 0 {
					synced[s.stream] = false // the broker sent first
				}
				return []*segment{s}
			}
			if p.Clear && s.payload[0] == 22 {
				synced[s.stream] = false
				return []*segment{s}
			}
			begun[s.stream] = true
			out = p.steps(s)
		}
		s.tcp.Seq += length[s.dir]
		if s.tcp.Flags&ACK != 0 {
			s.tcp.Ack += length[s.dir.Reverse()]
		}
		s.tcp.Options = shiftSACK(s.tcp.Options, length[s.dir.Reverse()])
		return append(out, s)
	})
}

// swapTimestamps makes timestamps (RFC 7323) those of the other side.
func swapTimestamps(options []byte) {
	const begin = "\x08\x0a" // the kind and the length
	if i := bytes.Index(options, []byte(begin)); i >= 0 && len(options) >= i+10 {
		v := options[i+2:]
		copy(v, slices.Concat(v[4:8], v[:4]))
	}
}

// steps returns the segments of the preface before the client's first one.
func (p Preface) steps(first *segment) (out []*segment) {
	next := [2]uint32{first.tcp.Seq, first.tcp.Ack}
	for _, step := range p.Steps {
		s := first.with(next[step.Dir], step.Data)
		s.dir = step.Dir
		s.tcp.Options, s.tcp.Ack = shiftSACK(s.tcp.Options, 0), next[step.Dir.Reverse()]
		if step.Dir == ToClient {
			s.src, s.dst = first.dst, first.src
			swapTimestamps(s.tcp.Options)
		}
		next[step.Dir] += uint32(len(step.Data))
		out = append(out, s)
	}
	return out
}

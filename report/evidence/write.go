package evidence

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/words"
)

// maxComment bounds the comment on one packet, in bytes.
const maxComment = 1000

// Summary describes a file of evidence.
type Summary struct {
	// Packets and Connections count the contents of the file, Findings the proved findings.
	Packets, Connections, Findings int
	// Unproven counts the findings without any kept occurrence.
	Unproven int
	// Encrypted counts the connections with TLS. They are in the file as captured. With
	// pseudonyms, only the length of their encrypted data remains.
	Encrypted int
	// Omitted counts the wanted occurrences whose packets had been evicted.
	Omitted uint64

	// places maps packets of the input to their places in the file.
	places map[framePlace]filePlace
}

// filePlace is the place of a packet in the file, with Wireshark's numbers.
type filePlace struct {
	frame  uint64
	stream uint32
}

// Find returns the frame and stream numbers in the file, as Wireshark counts, of a packet of the
// input. ok is false if the file does not have the packet.
func (s *Summary) Find(capture uint32, frame uint64) (inFrame uint64, inStream uint32, ok bool) {
	at, ok := s.places[framePlace{capture, frame}]
	return at.frame, at.stream, ok
}

// Place is the position of an occurrence of a finding.
type Place struct {
	At     capture.Position
	Stream uint32
}

// Claim is a finding of the report that needs a proof.
type Claim struct {
	// IDs are the IDs of its packets. Shared are IDs whose packets were kept before it was decided
	// which finding they prove. Occurrences selects its own packets from those.
	IDs, Shared []ID
	Occurrences []Place
	Code        string
	Broker      decode.Endpoint
	// WithTLS: the finding depends on TLS that the address used on another connection. WithClear:
	// it depends on a plaintext answer of the address.
	WithTLS, WithClear bool
}

// Write writes the evidence for claims, the findings of the current report, as a pcapng file.
// captures describe the inputs (capture.Source.Captures). It can be called once, because it
// overwrites confidential bytes in place.
//
// With any options, the file contains no TLS secrets. Zeros overwrite records, SASL tokens,
// credentials and configuration. Lengths and headers stay unchanged.
func (e *Collector) Write(w io.Writer, claims []Claim, captures []capture.Info) (Summary, error) {
	sum := Summary{Omitted: e.omitted}
	comments, used := e.pick(claims, &sum)
	e.mu.Lock()
	defer e.mu.Unlock()
	packets := e.scrubbed(used, &sum)
	sum.Connections, sum.Packets = len(used), len(packets)
	sum.number(packets)
	out := bufio.NewWriterSize(w, 64<<10)
	f := evidenceFile{
		out:      capture.NewWriter(out, e.opt.Tool.Name+" "+e.opt.Tool.Version, e.about(&sum)),
		captures: captures, anonymous: e.opt.Pseudonyms != nil, numbers: map[interfaceKey]uint32{},
	}
	for _, p := range packets {
		if err := f.packet(p, comments[place(p.at)]); err != nil {
			return sum, err
		}
	}
	if err := f.out.Err(); err != nil {
		return sum, err
	}
	return sum, out.Flush()
}

// number assigns frame and stream numbers of the file.
func (s *Summary) number(packets []*seen) {
	s.places = make(map[framePlace]filePlace, len(packets))
	streams := map[uint32]uint32{}
	for i, p := range packets {
		if _, known := streams[p.stream]; !known {
			streams[p.stream] = uint32(len(streams))
		}
		s.places[place(p.at)] = filePlace{uint64(i + 1), streams[p.stream]}
	}
}

// pseudonymsMark is part of the comment on a file with pseudonyms.
const pseudonymsMark = "Addresses, names and client ids are replaced"

// HasPseudonyms reports whether comment is the comment of an evidence file with pseudonyms.
func HasPseudonyms(comment string) bool { return strings.Contains(comment, pseudonymsMark) }

func (e *Collector) about(sum *Summary) string {
	text := fmt.Sprintf("Evidence for %s: the packets of the first occurrences. "+
		"Records, SASL tokens, credentials and configuration are overwritten with zeros; lengths and headers are as captured.",
		words.Plural(uint64(sum.Findings), "finding"))
	if e.opt.Pseudonyms != nil {
		text += " " + pseudonymsMark + ", and all values that prove nothing are overwritten."
	}
	if of := sum.OfEncrypted(e.opt.Pseudonyms != nil); of != "" {
		text += " " + of + "."
	}
	return text
}

// OfEncrypted describes the contents of TLS connections in the file; empty without any.
func (s *Summary) OfEncrypted(redacted bool) string {
	if s.Encrypted == 0 {
		return ""
	}
	what := "what was sent inside can be read by everyone who has the key log, records and credentials included"
	if redacted {
		what = "what was found inside is not proven here, only lengths and the beginning of the handshake are left"
	}
	return fmt.Sprintf("TLS on %d of %s: %s", s.Encrypted, words.Plural(uint64(s.Connections), "connection"), what)
}

type framePlace struct {
	capture uint32
	frame   uint64
}

func place(at capture.Position) framePlace { return framePlace{at.Capture, at.Frame} }

func (e *Collector) pick(claims []Claim, sum *Summary) (map[framePlace][]string, []*exhibit) {
	comments := map[framePlace][]string{}
	streams := map[uint32]bool{}
	var used []*exhibit
	for i := range claims {
		claim := &claims[i]
		proofs := e.proofsOf(claim)
		if len(proofs) == 0 {
			sum.Unproven++
			continue
		}
		sum.Findings++
		for i := range proofs {
			p := proofs[i]
			e.corroborate(p, claim)
			for _, m := range p.marks {
				comments[place(m.at)] = append(comments[place(m.at)], strings.Replace(m.text, "%s", claim.Code, 1))
			}
			for _, stream := range p.streams {
				if !streams[stream] {
					streams[stream] = true
					used = append(used, e.exhibits[stream])
				}
			}
		}
	}
	for _, x := range used {
		for _, at := range x.adverts {
			comments[place(at)] = append(comments[place(at)], "ApiVersions answer: the ranges that this broker advertises")
		}
	}
	return comments, used
}

func (e *Collector) proofsOf(claim *Claim) []*proof {
	var out []*proof
	for _, id := range claim.IDs {
		for i := range e.proofs[id] {
			out = append(out, &e.proofs[id][i])
		}
	}
	for _, id := range claim.Shared {
		for i := range e.proofs[id] {
			p := &e.proofs[id][i]
			if slices.ContainsFunc(claim.Occurrences, func(o Place) bool { return o.Stream == p.stream && samePlace(o.At, p.at) }) {
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(x, y *proof) int { return x.compare(*y) })
	return out[:min(len(out), e.opt.Occurrences)]
}

// corroborate adds the other connection on which the finding depends.
func (e *Collector) corroborate(p *proof, claim *Claim) {
	l := e.addresses[claim.Broker]
	switch {
	case l == nil:
	case claim.WithTLS && l.hasTLS:
		e.useHead(p, l.tls, false)
	case claim.WithClear && l.hasClear:
		e.useHead(p, l.clear, true)
	}
}

// scrubbed overwrites confidential bytes in the exhibits, and returns their packets in the order
// of the input. It counts the exhibits with TLS.
func (e *Collector) scrubbed(used []*exhibit, sum *Summary) []*seen {
	s := scrubber{level: decode.BlankSecrets, names: e.opt.Pseudonyms}
	if s.names != nil {
		s.level = decode.BlankAll
	}
	d := disguiser{dissector: capture.NewDissector(e.opt.Dissector), names: s.names}
	var packets []*seen
	for _, x := range used {
		if s.connection(x) {
			sum.Encrypted++
		}
		for i := range x.packets {
			d.packet(&x.packets[i])
			packets = append(packets, &x.packets[i])
		}
	}
	slices.SortStableFunc(packets, func(a, b *seen) int { return a.at.Compare(b.at) })
	return packets
}

type interfaceKey struct {
	capture, iface uint32
	link           capture.LinkType
}

type evidenceFile struct {
	out       *capture.Writer
	captures  []capture.Info
	anonymous bool
	numbers   map[interfaceKey]uint32
}

func (f *evidenceFile) packet(s *seen, comments []string) error {
	key := interfaceKey{s.at.Capture, s.iface, s.link}
	number, ok := f.numbers[key]
	if !ok {
		var err error
		if number, err = f.out.AddInterface(f.describe(key)); err != nil {
			return err
		}
		f.numbers[key] = number
	}
	slices.SortFunc(comments, cmp.Compare[string])
	text := strings.Join(slices.Compact(comments), "; ")
	p := capture.Packet{Position: s.at, Data: s.data, Length: s.length}
	return f.out.WritePacket(number, &p, text[:min(len(text), maxComment)])
}

func (f *evidenceFile) describe(key interfaceKey) capture.Interface {
	i := capture.Interface{Link: key.link, Resolution: 9}
	if int(key.capture) < len(f.captures) {
		if known := f.captures[key.capture].Interfaces; int(key.iface) < len(known) {
			i = known[key.iface]
			i.Link = key.link
		}
	}
	if f.anonymous {
		i.Name = ""
	}
	return i
}

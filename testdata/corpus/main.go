// Command corpus writes the large captures that the benchmarks read. The same
// arguments give the same bytes, on any machine and at any time.
//
//	go run ./testdata/corpus -kind KIND [-size N] -o FILE
//
// It holds no more than the packets of one turn in memory.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// A kind is one sort of traffic.
type kind struct {
	name, unit, says string
	size             int
	write            func(out *output, size int) error
}

// kinds are the corpora that can be made.
var kinds = []kind{
	{"bulk", "MB", "six connections that produce and fetch batches of up to 1 MiB in segments of 1,460 bytes", 1000, bulk},
	{"swarm", "connections", "short connections of 18 packets each, 64 of them at a time", 20_000, swarm},
	{"open", "connections", "connections that are all open at once and go on now and then", 100_000, open},
	{"synflood", "SYNs", "connection attempts from as many different ports, and nothing else", 1_000_000, synflood},
	{"mute", "connections", "attack: connections with 1,020 small requests each to a listener that is silent", 3000, mute},
	{"onebyte", "segments", "attack: segments of one byte with holes between them", 262_144, oneByte},
	{"hellos", "connections", "attack: TLS connections that begin with a large ClientHello", 10_000, hellos},
	{"sweep", "connections", "attack: connections that come and go 16 s apart", 50_000, sweep},
	{"ticks", "packets", "attack: packets a second apart on 1,000 connections", 200_000, ticks},
	{"unmatched", "segments", "attack: answers to requests that nobody sent", 50_000, unmatched},
	{"holes", "segments", "attack: every second segment is missing", 200_000, holes},
	{"brokers", "brokers", "attack: as many brokers as connections", 50_000, brokers},
	{"disorder", "segments", "attack: segments in a random order", 200_000, disorder},
	{"unended", "connections", "attack: connections that stay open behind a request", 260_000, unended},
	{"sealed", "connections", "attack: TLS connections that stay open behind their handshakes", 260_000, sealed},
	{"proxied", "connections", "attack: connections with a PROXY line that stay open", 200_000, proxied},
	{"lone", "packets", "attack: single requests, each of another address", 600_000, lone},
	{"answers", "packets", "attack: single packets of responses to different addresses", 260_000, answers},
	{"sparse", "connections", "attack: connections of a SYN and a byte out of order", 130_000, sparse},
	{"tables", "brokers", "attack: brokers that each advertise other ranges of 3,000 APIs", 4000, tables},
	{"prefix", "SYNs", "attack: connection attempts from addresses of one IPv6 network", 200_000, prefix},
}

func main() {
	name := flag.String("kind", "", "the traffic: "+kindNames())
	size := flag.Int("size", 0, "how much of it (default: the size of the benchmarks)")
	path := flag.String("o", "", "the file to write")
	flag.Usage = usage
	flag.Parse()
	if err := run(*name, *size, *path); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(2)
	}
}

// usage prints the flags and the kinds.
func usage() {
	w := flag.CommandLine.Output()
	fmt.Fprintln(w, "usage: corpus -kind KIND [-size N] -o FILE")
	flag.PrintDefaults()
	for _, k := range kinds {
		fmt.Fprintf(w, "\n  %-9s %s\n            (%d %s unless -size says otherwise)\n", k.name, k.says, k.size, k.unit)
	}
}

// kindNames lists the kinds for a message.
func kindNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// run writes a corpus. The file appears when it is whole.
func run(name string, size int, path string) error {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	switch {
	case i < 0:
		return fmt.Errorf("-kind %q is none of %s", name, kindNames())
	case path == "":
		return errors.New("-o FILE is missing")
	case size < 0:
		return fmt.Errorf("-size %d is negative", size)
	case size == 0:
		size = kinds[i].size
	}
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	out, err := newOutput(f)
	if err == nil {
		err = kinds[i].write(out, size)
	}
	if err == nil {
		err = out.buffer.Flush()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}

// output writes what a recorder holds to a file.
type output struct {
	*capturetest.Recorder
	random *rand.Rand
	buffer *bufio.Writer
	pcap   *capturetest.PcapWriter
}

// newOutput begins a capture.
func newOutput(f *os.File) (*output, error) {
	const bufferSize = 1 << 20
	buffer := bufio.NewWriterSize(f, bufferSize)
	pcap, err := capturetest.Pcap{Link: capturetest.LinkEthernet}.NewWriter(buffer)
	r := capturetest.NewRecorder()
	r.Step = 5 * time.Microsecond
	return &output{Recorder: r, random: rand.New(rand.NewPCG(1, 2)), buffer: buffer, pcap: pcap}, err
}

// flush writes the packets recorded so far and forgets them.
func (o *output) flush() error {
	for _, p := range o.Packets {
		if err := o.pcap.Write(p); err != nil {
			return err
		}
	}
	o.Packets = o.Packets[:0]
	return nil
}

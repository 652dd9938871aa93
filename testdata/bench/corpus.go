//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// A kind is one sort of traffic. The same kind and size give the same bytes, on any machine and at
// any time. No more than the packets of one turn are in memory.
type kind struct {
	name string
	// size is how much of it there is, unless something else is asked for; small is the size of an
	// attack with -cheap, 0 for ordinary traffic.
	size, small int
	write       func(out *output, size int) error
}

// kinds are all of them. An attack is traffic that someone makes to cost memory or time.
var kinds = []kind{
	{"bulk", 1000, 0, bulk},
	{"swarm", 20_000, 0, swarm},
	{"open", 100_000, 0, open},
	{"synflood", 1_000_000, 0, synflood},
	{"mute", 3000, 600, mute},
	{"onebyte", 262_144, 131_072, oneByte},
	{"hellos", 10_000, 1000, hellos},
	{"sweep", 50_000, 5000, sweep},
	{"ticks", 200_000, 40_000, ticks},
	{"unmatched", 50_000, 5000, unmatched},
	{"holes", 200_000, 40_000, holes},
	{"brokers", 50_000, 5000, brokers},
	{"disorder", 200_000, 40_000, disorder},
	{"unended", 260_000, 130_000, unended},
	{"sealed", 260_000, 100_000, sealed},
	{"proxied", 200_000, 120_000, proxied},
	{"lone", 600_000, 600_000, lone},
	{"answers", 260_000, 130_000, answers},
	{"sparse", 130_000, 130_000, sparse},
	{"tables", 4000, 1000, tables},
	{"prefix", 200_000, 100_000, prefix},
}

// writeCorpus writes a capture of that kind; size 0 is the kind's own. The file appears when it is
// whole.
func writeCorpus(name string, size int, path string) error {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	switch {
	case i < 0:
		var names []string
		for _, k := range kinds {
			names = append(names, k.name)
		}
		return fmt.Errorf("-write %q is none of %s", name, strings.Join(names, ", "))
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

// each calls turn size times, and writes the packets of each call.
func (o *output) each(size int, turn func(i int)) error {
	for i := range size {
		turn(i)
		if err := o.flush(); err != nil {
			return err
		}
	}
	return nil
}

// silent returns a connection without acknowledgements.
func silent(c *capturetest.Conversation) *capturetest.Conversation {
	c.Silent = true
	return c
}

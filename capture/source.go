package capture

// Source yields packets in batches, from files, standard input or an interface.
type Source interface {
	// Next empties b and fills it with the packets that follow. It returns
	// io.EOF, with no packets, after the last one. What is wrong with a single
	// capture (torn, not a capture, unreadable) does not end the source: it
	// stands in that capture's Info. A live source returns after at most
	// 100 ms, if need be without packets.
	Next(b *Batch) error
	// Captures describes the captures read so far, in the order in which they
	// are read. The Capture of a Position is an index into it.
	Captures() []Info
	// Close releases what the source holds.
	Close() error
}

// Batch holds packets and the memory that their bytes lie in. It is filled by
// Source.Next and can be used again as soon as nothing refers to its packets.
type Batch struct {
	// Packets are the packets of the batch in the order of the capture.
	Packets []Packet
	// buf is the memory that Packets point into; it belongs to the source.
	buf []byte
	// lease, where there is one, is memory that Packets point into instead.
	lease lease
}

// lease is memory that a source lends to a batch.
type lease interface{ release() }

// free empties b and gives back what it was lent.
func (b *Batch) free() {
	b.Packets = b.Packets[:0]
	if b.lease != nil {
		b.lease.release()
		b.lease = nil
	}
}

// Info describes one capture: a file, standard input or an interface.
type Info struct {
	// Path is the name as it was given, "-" for standard input.
	Path string
	// Format is "pcap", "pcapng" or "live", with the compression behind it:
	// "pcapng+zstd". Empty while unknown.
	Format string
	// Comment is the comment on the first section of a pcapng file, empty without one and where the section block
	// does not fit into what is read at once.
	Comment string
	// LinkTypes are the link types met, in order of appearance.
	LinkTypes []LinkType
	// Interfaces are the interfaces by Packet.Interface, at most maxInfoInterfaces
	// of them: one for formats that have none.
	Interfaces []Interface
	// Packets counts the packets, Bytes the captured bytes of them.
	Packets, Bytes uint64
	// First and Last are the earliest and latest timestamps of packets, in
	// nanoseconds since the Unix epoch, by the clock of the capture; 0 without packets.
	First, Last int64
	// ClockOffset is what is added to the timestamps of the capture, in nanoseconds,
	// because its clock differs from that of the capture with the index ClockOf. 0 for none.
	ClockOffset int64
	ClockOf     uint32
	// Delayed: it was not merged by time with all that it overlaps with, because too many do.
	Delayed bool
	// Torn tells where the capture breaks off in the middle of a record: what
	// was wrong, with the offset. nil when it ended as it should.
	Torn error
	// Err is why the capture could not be read, or not to its end. The packets
	// before it count.
	Err error
	// Truncated counts packets of which less was captured than was on the wire.
	Truncated uint64
	// Dropped counts packets that the capturing side says it lost: interface
	// statistics blocks of pcapng, kernel and ring drops of a live capture.
	Dropped uint64
}

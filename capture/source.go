package capture

// Source returns packets in batches, from files, standard input or an interface.
type Source interface {
	// Next empties b and fills it with the next packets. It returns io.EOF without packets after
	// the last one. An error of a single capture (torn, not a capture, unreadable) does not end
	// the source; it is in that capture's Info. A live source returns within 100 ms, possibly
	// without packets.
	Next(b *Batch) error
	// Captures describes the captures read so far, in the order of reading. Position.Capture is
	// an index into it.
	Captures() []Info
	// Close releases the resources of the source.
	Close() error
}

// Batch holds packets and the memory of their bytes. Source.Next fills it. It can be reused when
// nothing refers to its packets.
type Batch struct {
	// Packets are the packets of the batch in the order of the capture.
	Packets []Packet
	// buf is the memory of Packets; it belongs to the source.
	buf []byte
	// lease, if not nil, is lent memory that holds the packets instead of buf.
	lease lease
}

// lease is memory that a source lends to a batch.
type lease interface{ release() }

// free empties b and returns lent memory.
func (b *Batch) free() {
	b.Packets = b.Packets[:0]
	if b.lease != nil {
		b.lease.release()
		b.lease = nil
	}
}

// Info describes one capture: a file, standard input or an interface.
type Info struct {
	// Path is the name as given, "-" for standard input.
	Path string
	// Format is "pcap", "pcapng" or "live", with the compression after it: "pcapng+zstd". Empty
	// while unknown.
	Format string
	// Comment is the comment on the first section of a pcapng file. It is empty for none, or if
	// the section block is longer than one read.
	Comment string
	// LinkTypes are the link types so far, in order of appearance.
	LinkTypes []LinkType
	// Interfaces are the interfaces by Packet.Interface, at most maxInfoInterfaces of them; one
	// for formats without interfaces.
	Interfaces []Interface
	// Packets counts the packets, Bytes their captured bytes.
	Packets, Bytes uint64
	// First and Last are the earliest and latest timestamps of packets, in nanoseconds since the
	// Unix epoch, by the clock of the capture; 0 without packets.
	First, Last int64
	// ClockOffset is added to the timestamps of the capture, in nanoseconds, because its clock
	// differs from that of the capture with the index ClockOf; 0 for none.
	ClockOffset int64
	ClockOf     uint32
	// Delayed: the capture was not merged by time with all overlapping ones, because there were
	// too many.
	Delayed bool
	// Torn describes the incomplete record at the end of the capture, with its offset; nil if
	// the capture is complete.
	Torn error
	// Err is why the capture could not be read, or not to its end. The packets before the error
	// count.
	Err error
	// Truncated counts packets with fewer captured bytes than on the wire.
	Truncated uint64
	// Opening is a hash of the first packets. It distinguishes captures with equal times and sizes,
	// such as the two sides of address translation.
	Opening uint64
	// Dropped counts the packets that the capture reports as lost: interface statistics blocks
	// of pcapng, and drops by kernel and ring of a live capture.
	Dropped uint64
}

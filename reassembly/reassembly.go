// Package reassembly turns packets into the Kafka messages of each connection.
//
// In come packets from a capture.Source. A Pool finds the TCP connection of each segment and
// numbers connections as Wireshark does (flow.go), puts the segments of each direction in order
// (order.go; what comes too early goes through gopacket's reassembly, reorder.go), finds out
// whether the connection speaks Kafka (dialogue.go, protocol.go; join.go where the beginning was
// not captured; preface.go behind a proxy's header), has TLS decrypted (tlsrecord), and cuts the
// bytes into messages (framer.go), finding its place again after a loss (search.go). Out go, to
// the Handler of each connection, the first bytes of each message, and to its Shard every
// connection when it is over.
//
// A gap in the capture is a call with a length and a place, never a silent splice, and a message
// whose header was captured is passed on, also without its body.
//
// One goroutine reads and finds connections, one for each shard does all other work. Connections
// are dealt to shards by stream number, timeouts go by packet time, and the number of shards is
// fixed: the same packets give the same calls on any machine.
//
// Memory: a connection costs some 1,200 bytes, 1,024 of them in conn, from its first byte of
// payload, FIN or RST on; before that, and when it is over, 152. Bodies are never held, heads of
// messages up to maxHeldBytes, segments that wait for a missing one up to maxShardPages,
// connections up to maxFlows. Each limit that is reached is counted in Limits.
package reassembly

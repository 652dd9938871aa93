// Package reassembly turns packets into the Kafka frames of each connection.
//
// The input is a capture.Source. A Pool finds the TCP connection of each segment and numbers
// connections as Wireshark does (flow.go). It sorts the segments of each direction (order.go;
// reorder.go uses gopacket for segments that arrive early). It decides whether a connection speaks
// Kafka (dialogue.go, protocol.go; join.go without a handshake; preface.go behind a proxy). It
// decrypts TLS (tlsrecord), splits the bytes into frames (framer.go), and finds the next frame
// after a loss (search.go). Each connection's Handler gets the first bytes of each frame. Each
// Shard gets every connection when it is over.
//
// A gap in the capture is a call with a length and an offset. The bytes before and after it are
// never joined. A frame whose header was captured is passed on even if its body was not.
//
// One goroutine reads packets and finds connections. One goroutine for each shard does all other
// work. The stream number selects the shard, timeouts use packet time, and the number of shards is
// constant: the same packets give the same calls on any machine.
//
// Memory: a connection takes 176 bytes. While it is open and after its first payload, FIN or RST,
// it takes some 1,250 bytes, 768 of them in conn. Bodies are never held. Limits: maxFlows for
// connections, maxShardBytes for what they take together, maxHeldBytes for heads of frames,
// maxShardPages for segments that arrive early. Limits counts each limit exceeded.
package reassembly

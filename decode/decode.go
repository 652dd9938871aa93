// Package decode makes exchanges out of Kafka messages: which request was
// sent, in which version, what the broker had advertised for it by then, and
// how the connection went on.
//
// In come, from package reassembly, the messages of each connection in order
// (reassembly.Handler), of each message only its first bytes. Out go, to a
// Sink, exchanges, advertisements (ApiVersions answers) and connections, in
// an order that depends on the input alone.
//
// A Shard serves the connections of one worker and belongs to that worker's
// goroutine. It turns messages into Events: pairs responses with requests,
// keeps the ranges that a connection was told, and judges. The Correlator
// belongs to one goroutine of its own; it brings the events of all shards into
// one order, and lets connections without an ApiVersions answer borrow the ranges that
// the same broker advertised elsewhere.
//
// Memory: a connection costs some 600 bytes and 80 more for each unanswered
// request, of which it may have maxOutstanding. Strings from the wire are cut
// at maxClientID bytes and shared, advertised ranges are shared. The Correlator holds
// back at most maxWaiting exchanges. What a bound keeps out is counted in Limits.
//
// Nothing of a message body is kept but: the name and version of the client
// software, the advertised ranges and features, error codes, and the names
// of SASL mechanisms. The bytes of authentication are never looked at.
package decode

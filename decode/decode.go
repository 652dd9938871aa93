// Package decode pairs Kafka requests with their responses. It reports in which version a request
// was sent, which range the broker had advertised for it, and what happened to the connection.
//
// The input is the messages of each connection in order, from package reassembly
// (reassembly.Handler). The handler asks only for the first bytes of each message. The output goes
// to a Sink: exchanges, advertisements (ApiVersions responses) and connections, in an order that
// depends only on the input.
//
// A Shard serves the connections of one worker and belongs to that worker's goroutine. It turns
// messages into Events: it pairs responses with requests, keeps the ranges advertised on each
// connection, and decides verdicts. The Correlator belongs to one goroutine of its own. It merges
// the events of all shards into one order. Connections without an ApiVersions response borrow the
// ranges that the same broker advertised on another connection.
//
// Memory: a connection costs about 600 bytes, and 88 more for each unanswered request, up to
// maxOutstanding. Strings from the wire are cut at maxClientID bytes and shared. Advertised ranges
// are shared. The Correlator holds at most maxWaiting exchanges. Limits counts every limit
// exceeded.
//
// Of message bodies, the package keeps the name and version of the client software, the advertised
// ranges and features, and error codes. It also keeps the brokers and the cluster id of Metadata
// responses, and SASL mechanisms and session lifetimes. Of authentication bytes it keeps only user
// names, and these only with ShardOptions.Principals.
package decode

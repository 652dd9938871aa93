package report

import (
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// departure is a connection on which the client did not start its work.
type departure struct {
	number      uint64
	stream      uint32
	broker      decode.Endpoint
	client      netip.AddrPort
	first, end  capture.Position
	answered    capture.Position
	software    decode.Software
	clientID    string
	hasClientID bool
	mechanism   string
	// ranges are the advertised ranges; nil if the client did not request them.
	ranges *decode.Ranges
	// stage is the last answered API (history.Book.Stage).
	stage int16
	// asked: a request followed the ApiVersions answer.
	asked bool
	// waited: a request was not answered, so the next step of the client was captured.
	waited bool
	// left: the client ended the connection, after the last answer. closed: the broker ended it.
	// soon: it ended within spareAge of the answer.
	left, closed, soon bool
	// torn: bytes are missing, or a request was incomplete, or came before the answer.
	torn bool
	id   evidence.ID
	tls  *model.TLSSession
}

const (
	// maxDepartures bounds the departures: 4,096 of 264 bytes are 1 MiB. Others are decided
	// at once.
	maxDepartures = 4096
	// spareAge is how long a client keeps a connection at most if it misses something in the
	// ApiVersions answer: clients decide when they read it. A connection that stays open longer is
	// a spare one.
	spareAge = int64(2 * time.Second)
	// authenticationAnswers is the largest number of answers in an authentication: the answer to
	// SaslHandshake, and three tokens (GSSAPI).
	authenticationAnswers = 4
	// clusterWindow is how close in time another broker of the cluster must serve a client.
	clusterWindow = int64(2 * time.Minute)
)

// depart keeps c if the client did not start its work on it.
func (f *findings) depart(c *decode.Connection, p past) {
	if c.Protocol != reassembly.Kafka {
		return
	}
	stage, worked := f.history.Stage(c.Stream)
	if c.Advertised == nil {
		// Its exchanges may arrive later, after a range to borrow. addDeparture checks again.
		if c.Mechanism == "" || !ended(c) || c.Responses > authenticationAnswers {
			return
		}
	} else if worked || !mayDepart(c, stage) {
		return
	}
	d := departure{
		stream: c.Stream, broker: c.Endpoint(), client: c.Client, first: c.First, end: c.Last, answered: c.LastAnswer,
		software: ownSoftware(c.Software), mechanism: ownText(c.Mechanism), ranges: c.Advertised, stage: stage, asked: c.AfterAdvertised > 0, waited: c.Unanswered > 0,
		torn: c.Odd().Missing > 0 || c.Odd().Incomplete > 0 || c.Midstream || p.early,
	}
	if ended(c) {
		d.end = c.End.At
		d.closed = c.End.By == reassembly.ToClient
		d.left = !d.closed && c.LastAnswer.Before(d.end)
		d.soon = d.end.Time-max(c.LastAnswer.Time, c.First.Time) < spareAge
	}
	if len(c.ClientIDs) > 0 {
		d.clientID, d.hasClientID = ownText(c.ClientIDs[0]), true
	}
	if c.TLS != nil {
		d.tls = tlsSession(c.TLS)
	}
	d.number = f.history.NextNumber()
	if f.evidence != nil {
		key := findingKey{
			rule: undecided, detail: "departure", broker: d.broker, hasClient: true,
			hasClientID: d.hasClientID, clientID: d.clientID,
		}
		if id, ok := f.claimID(key); ok {
			d.id = id
			f.evidence.Connection(id, c)
		}
	}
	if len(f.departures) >= maxDepartures {
		f.departed++
		f.addDeparture(f.find, &d)
		return
	}
	f.departures = append(f.departures, d)
}

// mayDepart reports whether a client that requested ApiVersions may not have started its work on
// c.
func mayDepart(c *decode.Connection, stage int16) bool {
	id := ""
	if len(c.ClientIDs) > 0 {
		id = c.ClientIDs[0]
	}
	_, missing := nextNeed(c.Advertised, stage, id, c.Software)
	if !missing { // evidence keeps the connections of clients that may be producers
		_, missing = nextNeed(c.Advertised, stage, "producer", decode.Software{})
	}
	inside := stage == saslHandshakeKey || stage == history.Challenged
	return missing || ended(c) && (inside || c.End.By == reassembly.ToBroker && c.AfterAdvertised == 0)
}

// addDeparture adds d to the group that find returns.
func (f *findings) addDeparture(find func(findingKey) *group, d *departure) {
	if d.ranges == nil {
		worked := false
		if d.stage, worked = f.history.Stage(d.stream); worked {
			return
		}
	}
	for i := range rules {
		if rules[i].departure == nil {
			continue
		}
		detail, ok := rules[i].departure(d, &f.facts)
		if !ok {
			continue
		}
		g := find(findingKey{
			rule: i, detail: detail, broker: d.broker, hasClient: true, software: d.software,
			hasClientID: d.hasClientID, clientID: d.clientID,
		})
		g.count++
		g.addresses.add(d.client.Addr())
		if d.left {
			g.left++
		}
		g.keep(occurrence{at: d.first, stream: d.stream, client: d.client, tls: d.tls})
		g.end(history.Ended{First: d.first, Answered: d.answered, End: d.end, ByBroker: d.closed, Abrupt: d.closed})
		if d.id > 0 {
			g.share(d.id, d.first, d.stream)
		}
		return
	}
}

// isController reports whether a table is from the listener of a KRaft controller: it has Vote,
// and no Metadata.
func isController(r *decode.Ranges) bool {
	if r == nil {
		return false
	}
	const vote = 52
	_, votes := r.Find(vote)
	_, finds := r.Find(metadataKey)
	return votes && !finds && !r.Partial
}

// nextNeed returns the API that a client needs after stage was answered, and that the broker does
// not advertise. ok is false for none. After Metadata, producers need InitProducerId, and consumers
// FindCoordinator.
func nextNeed(ranges *decode.Ranges, stage int16, clientID string, software decode.Software) (key int16, ok bool) {
	if ranges == nil || ranges.Partial || isController(ranges) {
		return 0, false
	}
	switch {
	case stage == apiVersionsKey:
		key = metadataKey
	case stage == findCoordinatorKey:
		key = joinGroupKey
	case stage == metadataKey && isProducer(clientID, software):
		key = initProducerIDKey
	case stage == metadataKey && isGroupConsumer(clientID):
		key = findCoordinatorKey
	default:
		return 0, false
	}
	_, has := ranges.Find(key)
	return key, !has
}

var (
	// producerWord matches a client id with the word producer: "producer-1",
	// "app-StreamThread-1-producer", "connector-producer-orders-0". otherWord matches client ids
	// of other clients that may also contain it: kafka-clients call consumers "consumer-GROUP-1".
	producerWord = regexp.MustCompile(`(?i)(^|[^a-z])producer([^a-z]|$)`)
	otherWord    = regexp.MustCompile(`(?i)(^|[^a-z])(consumer|admin|adminclient)([^a-z]|$)`)
	// groupConsumer matches the default client ids of kafka-clients for consumers of a group:
	// "consumer-GROUP-1". Without a group they are "consumer-null-1" or "consumer-1".
	groupConsumer = regexp.MustCompile(`^consumer-.+-[0-9]+$`)
)

// isProducer reports whether the client seems to be an idempotent producer. Its client id must be
// a producer's, and its software must be idempotent by default (kafka-clients since 3.0).
func isProducer(clientID string, software decode.Software) bool {
	if !producerWord.MatchString(clientID) || otherWord.MatchString(clientID) {
		return false
	}
	major, _, _ := strings.Cut(software.Version, ".")
	return software.Name != javaClient || len(major) > 1 || major >= "3"
}

func isGroupConsumer(clientID string) bool {
	return groupConsumer.MatchString(clientID) && !strings.HasPrefix(clientID, "consumer-null-")
}

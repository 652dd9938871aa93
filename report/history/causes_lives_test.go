package history

import (
	"slices"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
)

// TestSessionsOfBeforeTheCapture: where sessions expire, the broker also closes connections that
// authenticated before the capture. That is no restart, and no outage.
func TestSessionsOfBeforeTheCapture(t *testing.T) {
	for name, c := range map[string]struct {
		lifetime  time.Duration
		midstream bool
		want      Cause
	}{
		"sessions expire": {time.Minute, true, Unexplained}, "without a limit": {0, true, Away}, "a complete connection": {time.Minute, false, Away},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			s, u := p.connect(), p.connect()
			for _, old := range []uint32{s, u} {
				p.send(old, keyFetch, 12, answered, soon)
			}
			p.send(p.connect(), keySaslAuthenticate, 1, answered, soon, func(x *decode.Exchange) { x.SessionLifetime = c.lifetime })
			p.now += 2 * time.Second
			for _, old := range []uint32{s, u} {
				p.send(old, keyFetch, 12, closed, soon)
			}
			for _, old := range []uint32{s, u} {
				p.endOf(old, func(d *decode.Connection) { d.Midstream, d.Unanswered = c.midstream, 1 })
			}
			p.now += 10 * time.Second
			p.send(p.connect(), keyFetch, 12, answered, soon)
			p.expect(c.want, c.want)
		})
	}
}

// TestSessionsThatExpireTogether are no restart.
func TestSessionsThatExpireTogether(t *testing.T) {
	p := newPlay(t)
	s, u := p.connect(), p.connect()
	for _, c := range []uint32{s, u} {
		p.send(c, keySaslAuthenticate, 1, answered, soon, func(x *decode.Exchange) { x.SessionLifetime = time.Minute })
		p.send(c, keyFetch, 12, answered, soon)
	}
	p.now += time.Minute
	for _, c := range []uint32{s, u} {
		p.send(c, keyFetch, 12, closed, soon)
		p.end(c, 1)
	}
	at := int64(p.now)
	p.now += 10 * time.Second
	p.send(p.connect(), keyFetch, 12, answered, soon)
	p.expect(SessionOver, SessionOver)
	if p.book.RestartedAt(decode.Endpoint{Addr: playBroker}, at) {
		t.Error("the broker restarted")
	}
}

// TestATableOfAnotherServer: a proxy that advertises too much passes on the table of Apache Kafka.
// Another server that ends each connection behind ApiVersions requires SASL.
func TestATableOfAnotherServer(t *testing.T) {
	tables := decode.Tables()
	apache := tables[slices.IndexFunc(tables, func(t *decode.Table) bool { return t.Release == "3.9.2" && t.Mode == decode.KRaft })].Ranges
	other := &decode.Ranges{APIs: slices.Clone(apache.APIs)}
	for i := range other.APIs {
		other.APIs[i].Max = max(0, other.APIs[i].Max-int16(i%3))
	}
	raised := &decode.Ranges{APIs: slices.Clone(apache.APIs)}
	raised.APIs[slices.IndexFunc(raised.APIs, func(a decode.API) bool { return a.Key == keyMetadata })].Max = 99
	part := &decode.Ranges{APIs: apache.APIs[:12]}
	for name, c := range map[string]struct {
		table *decode.Ranges
		pause time.Duration
		want  Cause
	}{
		"a part of Apache Kafka's": {part, time.Second, Dropped},
		"Apache Kafka":             {apache, time.Second, Dropped}, "with more versions of the API": {raised, time.Second, Dropped}, "another server": {other, time.Second, NoSASL},
		"no table": {nil, time.Second, Dropped}, "another server, all at once": {other, 0, Unexplained}, "too few APIs": {playTable, time.Second, Dropped},
	} {
		p := newPlay(t)
		for range 3 {
			s := p.connect()
			p.send(s, keyApiVersions, 3, answered, soon)
			p.send(s, keyMetadata, 8, closed, soon, func(x *decode.Exchange) { x.Ranges = c.table })
			p.end(s, 1)
			p.now += c.pause
		}
		if got := p.book.Decide().Rulings[0].Cause; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestRefusalsBeforeARestart say nothing about SASL after it.
func TestRefusalsBeforeARestart(t *testing.T) {
	for refused, want := range map[bool]Cause{true: Dropped, false: NoSASL} {
		p := newPlay(t)
		for _, key := range []int16{keyMetadata, keyFetch, keyFetch} {
			s := p.connect()
			p.send(s, keyApiVersions, 3, answered, soon)
			p.send(s, key, 12, closed, soon)
			p.end(s, 1)
			p.now += time.Second
			if key == keyMetadata && refused {
				p.refuse()
				p.now += time.Second
			}
		}
		if got := p.book.Decide().Rulings[2].Cause; got != want {
			t.Errorf("restart %v: %v, want %v", refused, got, want)
		}
	}
}

//go:build root

package live

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// play has a franz-go client produce records and read them back.
func play(t *testing.T, addr string, records int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ClientID("orders-svc"), kgo.DefaultProduceTopic("orders"),
		kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range records {
		if err := c.ProduceSync(ctx, kgo.StringRecord("secret-value")).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for got := 0; got < records; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		got += fetches.NumRecords()
	}
}

// TestFindingsAreThoseOfTcpdump has a real client talk to brokers of several
// releases while kafkavet and tcpdump watch.
func TestFindingsAreThoseOfTcpdump(t *testing.T) {
	for name, versions := range map[string]*kversion.Versions{"2.1": kversion.V2_1_0(), "3.9": kversion.V3_9_0(), "newest": nil} {
		t.Run(name, func(t *testing.T) {
			addr, port := broker(t, versions)
			p := sniff(t, port)
			dump, file := tcpdump(t, port)
			play(t, addr, 20)
			violate(t, addr)
			time.Sleep(time.Second)
			want := 0
			if name == "2.1" {
				want = 1
			}
			if code := p.end(); code != want {
				t.Errorf("exit code %d: %s", code, &p.err)
			}
			dump.end()
			same(t, p.final(), analyze(t, file))
		})
	}
}

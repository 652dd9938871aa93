package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// clientScenes are played by a real client without anything going wrong.
func clientScenes() []scene {
	return []scene{
		{
			name:   "kv1001-near-negotiates",
			by:     "franz-go, kfake 2.1",
			holds:  "a producer that negotiates with an older broker and stays inside its ranges; KV2003 by the way",
			yields: "KV2003 for ApiVersions, nothing else",
			play: func(s *stage) error {
				return s.withBroker(brokerOptions{versions: kversion.V2_1_0()}, func(b *fake) error { return b.produce() })
			},
		},
		{
			name:   "acks-0",
			by:     "franz-go with acks=0, kfake",
			holds:  "three Produce requests that have no response",
			yields: "three Produce with outcome none-expected, no finding",
			play: func(s *stage) error {
				return s.withBroker(brokerOptions{}, func(b *fake) error {
					return b.produce(kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
				})
			},
		},
		{
			name:   "ipv6",
			by:     "franz-go, kfake on ::1",
			holds:  "a producer over IPv6",
			yields: "no finding; addresses like [::1]:19092",
			play: func(s *stage) error {
				return s.withBroker(brokerOptions{ipv6: true}, func(b *fake) error { return b.produce() })
			},
		},
	}
}

// ask sends some requests of the kind that an administrator's tool sends.
func (f *fake) ask(options ...kgo.Opt) error {
	client, err := f.client(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	coordinator := kmsg.NewPtrFindCoordinatorRequest()
	coordinator.CoordinatorKey = "billing"
	for _, q := range []kmsg.Request{kmsg.NewPtrMetadataRequest(), coordinator, kmsg.NewPtrListGroupsRequest()} {
		if _, err := client.Request(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", kmsg.NameForKey(q.Key()), err)
		}
	}
	return nil
}

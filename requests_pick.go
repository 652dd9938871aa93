package main

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// pickOptions select the listed requests. One value of each flag must match.
type pickOptions struct {
	verdicts, outcomes, apis, clients []string
}

func (o *pickOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&o.verdicts, "verdict", nil, "list only requests with this `VERDICT`; a list, or repeated: "+strings.Join(decode.VerdictNames(), ", "))
	f.StringSliceVar(&o.apis, "api", nil, "list only requests of this `API`: its name or its key")
	f.StringSliceVar(&o.clients, "client", nil, "list only requests of this `CLIENT`: client id, software name, address with or without port; * stands for any text, ? and [abc] for one character")
	f.StringSliceVar(&o.outcomes, "outcome", nil, "list only requests with this `OUTCOME`: "+strings.Join(decode.OutcomeNames(), ", "))
}

func apiNames() (names []string) {
	for key := range decode.MaxKnownKey + 1 {
		names = append(names, decode.APIName(key))
	}
	return names
}

func (o *pickOptions) check() error {
	for _, list := range []struct {
		flag           string
		given, allowed []string
	}{{"--verdict", o.verdicts, decode.VerdictNames()}, {"--outcome", o.outcomes, decode.OutcomeNames()}} {
		for _, value := range list.given {
			if err := oneOf(list.flag, value, list.allowed); err != nil {
				return err
			}
		}
	}
	names := apiNames()
	for i, api := range o.apis {
		if key, err := strconv.ParseInt(api, 10, 16); err == nil {
			o.apis[i] = decode.APIName(int16(key))
			continue
		}
		known := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, api) })
		if known < 0 {
			return fmt.Errorf("--api %q: must be a key, or one of %s", api, strings.Join(names, ", "))
		}
		o.apis[i] = names[known]
	}
	for _, client := range o.clients {
		if _, err := path.Match(client, ""); err != nil {
			return fmt.Errorf("--client %q: not a pattern: a [ or \\ has no end", client)
		}
	}
	return nil
}

func (o *pickOptions) flags() string {
	var given []string
	for _, list := range []struct {
		flag   string
		values []string
	}{{"--verdict", o.verdicts}, {"--api", o.apis}, {"--client", o.clients}, {"--outcome", o.outcomes}} {
		if len(list.values) > 0 {
			given = append(given, list.flag+" "+strings.Join(list.values, ","))
		}
	}
	return strings.Join(given, " ")
}

func (o *pickOptions) passes(x *decode.Exchange) bool {
	has := func(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }
	return has(o.verdicts, x.Verdict.String()) && has(o.outcomes, x.Outcome.String()) &&
		(len(o.apis) == 0 || has(o.apis, decode.APIName(x.Key))) && (len(o.clients) == 0 || slices.ContainsFunc(o.clients, func(pattern string) bool {
		return isClient(pattern, x)
	}))
}

func isClient(pattern string, x *decode.Exchange) bool {
	client := netip.AddrPortFrom(x.Client.Addr().Unmap(), x.Client.Port())
	names := []string{client.Addr().String(), client.String(), x.Software.Name}
	if x.HasClientID {
		names = append(names, x.ClientID)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		ok, _ := path.Match(pattern, name) // check has checked it
		return ok
	})
}

// pickedRequests passes on the requests that match.
type pickedRequests struct {
	decode.Sink
	pick *pickOptions
	// seen and passed count requests, the others connections.
	seen, passed              uint64
	streams, kafka, encrypted uint64
}

// Exchange implements decode.Sink.
func (p *pickedRequests) Exchange(x *decode.Exchange) {
	p.seen++
	if p.pick.passes(x) {
		p.passed++
		p.Sink.Exchange(x)
	}
}

// Connection implements decode.Sink.
func (p *pickedRequests) Connection(c *decode.Connection) {
	p.streams++
	switch c.Protocol {
	case reassembly.Kafka:
		p.kafka++
	case reassembly.TLS:
		p.encrypted++
	}
	p.Sink.Connection(c)
}

// nothingSeen says that there is no request, and why.
func (p *pickedRequests) nothingSeen(isFiltered bool) string {
	why := noKafka(p.streams, p.kafka, isFiltered)
	if p.encrypted > 0 {
		why = encryptedText(p.encrypted)
	}
	if why != "" {
		why = ": " + why
	}
	return "no Kafka request was found" + why
}

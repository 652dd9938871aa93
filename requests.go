package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/redact"
	"github.com/kafkavet/kafkavet/report/words"
	"github.com/kafkavet/kafkavet/report/write"
)

func newRequests(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:   "requests [flags] FILE...",
		Short: "one line for every Kafka request",
		Long: "One line for every Kafka request: what was sent, what the broker advertised, and the outcome.\n" +
			"At a terminal it is a table, cut at the right border; elsewhere it is TSV.",
		Example: "  kafkavet requests broker.pcap\n" +
			"  kafkavet requests --verdict above-max,below-min --api Fetch broker.pcap\n" +
			"  kafkavet requests --client 'orders-*' --format table broker.pcap | less -S\n" +
			"  kafkavet requests --format json broker.pcap | jq 'select(.verdict == \"above-max\")'",
	}
	opt := &options{output: outputOptions{formats: write.RequestFormats(), isSingle: true}}
	opt.add(cmd, &opt.output, &opt.pick, &opt.redact, &opt.traffic)
	return cmd, func(ctx context.Context, args []string) (int, error) {
		opt.captures = args
		if textOptions(e.out, "never").Width > 0 && !cmd.Flags().Changed("format") && len(opt.output.texts) == 0 {
			opt.output.format = write.TableFormat
		}
		if err := opt.resolve(e.in); err != nil {
			return 0, err
		}
		j, err := newJob(e, opt, false, func(j *job) (result, error) { return &listing{j: j}, nil })
		if err != nil {
			return 0, err
		}
		return j.runFiles(ctx)
	}
}

// listing is the result of requests: lines written while the captures are read.
type listing struct {
	// Sink is w, wrapped by pseudonyms with --redact. It belongs to the collecting goroutine.
	decode.Sink
	j   *job
	out *output
	w   *write.RequestsWriter
	// picked counts the requests, and passes on those that pass the filters.
	picked *pickedRequests
}

// open implements result.
func (l *listing) open() (err error) {
	to := l.j.opt.output.outputs[0]
	if l.out, err = l.j.fileOpener().open(to.path); err != nil {
		return err
	}
	l.w = to.format.List(l.out.w, textOptions(l.out.w, "never"))
	l.Sink = l.w
	if l.j.names != nil {
		l.Sink = redact.Requests(l.w, l.j.names)
	}
	l.picked = &pickedRequests{Sink: l.Sink, pick: &l.j.opt.pick}
	l.Sink = l.picked
	return nil
}

// nameCaptures adds the name of the capture to each line if there are several captures.
func (l *listing) nameCaptures(paths []string) {
	if len(paths) < 2 {
		return
	}
	if l.j.names != nil {
		for i, path := range paths {
			paths[i] = redact.CaptureName(path, i)
		}
	}
	l.w.NameCaptures(paths)
}

// tap implements result.
func (l *listing) tap() func(uint32, *capture.Packet, *capture.Segment) { return nil }

// finish implements result.
func (l *listing) finish() int {
	if l.out.temp != "" && l.j.pipeline.isUnread() {
		l.j.inputIsWhole()
		return exitTrouble // and discard: a mistyped name of a capture must not replace a good list
	}
	if err := l.out.finish(l.w.Close()); err != nil {
		l.j.complain("%v", err)
		return exitTrouble
	}
	isForPeople := l.j.opt.output.outputs[0].format.Name == write.TableFormat
	switch p := l.picked; {
	case p.seen == 0 && (isForPeople || p.pick.flags() != "" || !l.j.opt.traffic.filter.All()): // programs see that there is no line
		l.j.warn(errors.New(p.nothingSeen(!l.j.opt.traffic.filter.All())))
	case p.seen > 0 && p.passed == 0:
		l.j.warn(fmt.Errorf("none of %s passes %s", words.Plural(p.seen, "request"), p.pick.flags()))
	}
	if n := l.w.Late(); n > 0 {
		l.j.warn(fmt.Errorf("%s answered so late that the lines are not in order", words.Were(n, "request")))
	}
	if !l.j.inputIsWhole() {
		return exitTrouble
	}
	return exitClean
}

// discard implements result.
func (l *listing) discard() {
	if l.out != nil {
		l.out.abandon()
	}
}

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

func (o *pickOptions) resolve() error {
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
		ok, _ := path.Match(pattern, name) // resolve has checked it
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

// Package redact replaces names and addresses by pseudonyms: in finished reports (Report), in
// requests before a writer gets them (Requests), and in packets (Pseudonyms). maxPseudonyms bounds
// the memory of Pseudonyms. They belong to one goroutine.
package redact

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// Report replaces the addresses, host names, client ids and paths of a finished report by
// pseudonyms, in place. Ports, software names and versions, API names, times and numbers stay.
// Texts of findings contain no names (see model.Finding). The texts of the user's own known issues
// stay.
func Report(r *model.Report, names *Pseudonyms) {
	d := redaction{names}
	for i := range r.Captures {
		d.capture(&r.Captures[i], i)
	}
	for i := range r.Brokers {
		b := &r.Brokers[i]
		b.Address, b.Behind = d.address(b.Address), d.list(b.Behind, d.address)
		b.Network = names.Name("network", b.Network)
		if b.Cluster != nil {
			b.Cluster = new(names.Name("cluster", *b.Cluster))
		}
	}
	for i := range r.Nodes {
		n := &r.Nodes[i]
		n.Address, n.Cluster = d.address(n.Address), names.Name("cluster", n.Cluster)
	}
	for i := range r.Clients {
		c := &r.Clients[i]
		c.ClientIDs = d.list(c.ClientIDs, d.client)
		c.Addresses = d.list(c.Addresses, d.address)
		c.BrokerAddresses = d.list(c.BrokerAddresses, d.address)
		c.Processes = d.processes(c.Processes)
		c.Principals = d.list(c.Principals, d.principal)
	}
	for i := range r.Findings {
		d.finding(&r.Findings[i])
	}
	if t := r.Target; t != nil {
		t.File = d.file("target", t.File)
		for _, rows := range [][]model.TargetClient{t.Clients, t.Apart} {
			for i := range rows {
				c := &rows[i]
				c.ClientIDs = d.list(c.ClientIDs, d.client)
				c.Addresses, c.BreakingAddresses = d.list(c.Addresses, d.address), d.list(c.BreakingAddresses, d.address)
				c.AskingAddresses = d.list(c.AskingAddresses, d.address)
				c.Processes = d.processes(c.Processes)
				c.Principal = d.principal(c.Principal)
			}
		}
	}
	if s := r.Supplied; s != nil {
		s.File = d.file("advertised", s.File)
	}
	for i := range r.Quality.OtherProtocols {
		o := &r.Quality.OtherProtocols[i]
		o.Address = d.address(o.Address)
	}
	for i := range r.Timeline.Lanes {
		l := &r.Timeline.Lanes[i]
		l.Client, l.Broker, l.ClientID = d.address(l.Client), d.address(l.Broker), d.client(l.ClientID)
	}
}

type redaction struct{ names *Pseudonyms }

func (d redaction) client(id string) string { return d.names.Client(id) }

// principal replaces the user name of a client.
func (d redaction) principal(name string) string { return d.names.Name("principal", name) }

// address replaces an IP address or a host name, with or without port. Any other text is replaced
// as a name.
func (d redaction) address(text string) string {
	if a, err := netip.ParseAddrPort(text); err == nil {
		return d.names.AddrPort(a).String()
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return d.names.Addr(a).String()
	}
	if host, port, err := net.SplitHostPort(text); err == nil {
		return net.JoinHostPort(d.names.Name("address", host), port)
	}
	return d.names.Name("address", text)
}

// processes replaces the names of processes, and removes their numbers.
func (d redaction) processes(list []model.Process) []model.Process {
	out := make([]model.Process, 0, len(list))
	for _, p := range list {
		out = append(out, model.Process{
			Command: d.names.Name("command", p.Command), User: d.names.Name("user", p.User), Container: d.names.Name("container", p.Container),
			Pod: d.names.Name("pod", p.Pod), Namespace: d.names.Name("namespace", p.Namespace),
		})
	}
	return model.UnionProcesses(nil, out)
}

// list replaces each text of a list and sorts the result, so that its order reveals nothing.
func (d redaction) list(texts []string, replace func(string) string) []string {
	out := make([]string, 0, len(texts))
	for _, t := range texts {
		out = append(out, replace(t))
	}
	slices.Sort(out)
	return out
}

// endings are the file name extensions that stay.
var endings = []string{".pcap", ".pcapng", ".cap", ".gz", ".zst", ".lz4"}

// capture replaces the path of the i-th capture, also in its problem.
func (d redaction) capture(c *model.Capture, i int) {
	name := CaptureName(c.Path, i)
	if c.Path != "" && c.Path != name {
		c.Problem = strings.ReplaceAll(c.Problem, c.Path, name)
	}
	c.Path, c.Saved = name, "" // the saved file has the names
}

// CaptureName returns the name that replaces the path of the i-th capture, counted from 0.
// Standard input ("-") stays.
func CaptureName(name string, i int) string {
	if name == "-" {
		return name
	}
	ending := ""
	for e := path.Ext(name); slices.Contains(endings, e); e = path.Ext(name) {
		ending, name = e+ending, strings.TrimSuffix(name, e)
	}
	return fmt.Sprintf("capture-%d%s", i+1, ending)
}

// file replaces the path of a file by its purpose.
func (d redaction) file(purpose, path string) string {
	if path == "" {
		return ""
	}
	return purpose + "-file"
}

func (d redaction) finding(f *model.Finding) {
	if f.Broker != "" {
		f.Broker, f.Behind = d.address(f.Broker), d.list(f.Behind, d.address)
	}
	if c := f.Client; c != nil {
		replaced := *c
		replaced.Addresses = d.list(c.Addresses, d.address)
		replaced.Processes = d.processes(c.Processes)
		replaced.Principals = d.list(c.Principals, d.principal)
		if c.ClientID != nil {
			replaced.ClientID = new(d.client(*c.ClientID))
		}
		f.Client = &replaced
	}
	f.Greeting = "" // servers name themselves in it
	for i := range f.Occurrences {
		o := &f.Occurrences[i]
		if o.Client != "" {
			o.Client = d.address(o.Client)
		}
		if o.TLS != nil {
			session := *o.TLS
			session.ServerName = d.names.Fitted("host", session.ServerName)
			o.TLS = &session
		}
		o.Prefaces = slices.Clone(o.Prefaces)
		for j := range o.Prefaces {
			p := &o.Prefaces[j]
			if p.Source != "" {
				p.Source = d.address(p.Source)
			}
			if p.Target != "" {
				p.Target = d.address(p.Target)
			}
		}
	}
}

// redactedRequests is a sink that hands requests on with names replaced.
type redactedRequests struct {
	decode.Sink
	names *Pseudonyms
}

// Requests returns a sink for the writers of requests. It replaces addresses and client ids in
// exchanges before they reach w.
func Requests(w decode.Sink, names *Pseudonyms) decode.Sink {
	return &redactedRequests{w, names}
}

// Exchange passes on a copy of x with pseudonyms.
func (r *redactedRequests) Exchange(x *decode.Exchange) {
	y := *x
	y.Client, y.Broker = r.names.AddrPort(x.Client), r.names.AddrPort(x.Broker)
	y.ClientID = r.names.Client(x.ClientID)
	r.Sink.Exchange(&y)
}

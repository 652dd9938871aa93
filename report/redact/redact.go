// Package redact replaces names and addresses by pseudonyms: in finished reports (Report), in
// requests before a writer gets them (Requests), and in packets (Pseudonyms). maxPseudonyms bounds
// the memory of Pseudonyms. They belong to one goroutine.
package redact

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"reflect"
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
	for i := range r.Captures {
		capture(&r.Captures[i], i)
	}
	if t := r.Target; t != nil && t.File != "" {
		t.File = "target-file"
	}
	if s := r.Supplied; s != nil && s.File != "" {
		s.File = "advertised-file"
	}
	redaction{names, map[reflect.Type]bool{}}.replace(reflect.ValueOf(r).Elem(), "")
}

// redaction replaces the values with the tag redact (see package model).
type redaction struct {
	names *Pseudonyms
	// tagged caches isTagged.
	tagged map[reflect.Type]bool
}

// isTagged reports whether values of a type have fields with the tag.
func (d redaction) isTagged(t reflect.Type) (is bool) {
	if known, ok := d.tagged[t]; ok {
		return known
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		is = d.isTagged(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			is = is || t.Field(i).Tag.Get("redact") != "" || d.isTagged(t.Field(i).Type)
		}
	}
	d.tagged[t] = is
	return is
}

// replace replaces v, which has the tag kind, or else its fields. It copies lists and pointers, which
// the findings of later reports share. It sorts lists, so that their order reveals nothing.
func (d redaction) replace(v reflect.Value, kind string) {
	switch {
	case kind == "none":
		v.SetZero()
	case kind == "" && !d.isTagged(v.Type()):
	case v.Kind() == reflect.String:
		v.SetString(d.name(kind, v.String()))
	case v.Kind() == reflect.Pointer && !v.IsNil():
		own := reflect.New(v.Type().Elem())
		own.Elem().Set(v.Elem())
		d.replace(own.Elem(), kind)
		v.Set(own)
	case v.Kind() == reflect.Slice && !v.IsNil():
		own := reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v)
		for i := range own.Len() {
			d.replace(own.Index(i), kind)
		}
		switch list := own.Interface().(type) {
		case []string:
			slices.Sort(list)
		case []model.Process:
			own = reflect.ValueOf(model.UnionProcesses(nil, list))
		}
		v.Set(own)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			d.replace(v.Field(i), v.Type().Field(i).Tag.Get("redact"))
		}
	}
}

func (d redaction) name(kind, text string) string {
	switch kind {
	case "address":
		return d.address(text)
	case "client":
		return d.names.Client(text)
	case "host":
		return d.names.Fitted(kind, text)
	}
	return d.names.Name(kind, text)
}

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

// endings are the file name extensions that stay.
var endings = []string{".pcap", ".pcapng", ".cap", ".gz", ".zst", ".lz4"}

// capture replaces the path of the i-th capture, also in its problem.
func capture(c *model.Capture, i int) {
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

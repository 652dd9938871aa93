package write

import (
	"github.com/kafkavet/kafkavet/report/model"
)

// brokerRanges are the advertised ranges of brokers, by address.
type brokerRanges struct {
	// brokers are the ranges by broker address. An address in several networks has several.
	brokers map[string][]*model.Broker
	// supplied are ranges from findings, for brokers without captured ranges.
	supplied map[rangeKey]model.Range
}

type rangeKey struct {
	broker string
	key    int16
}

// clientRange is what the brokers of a client advertise for an API.
type clientRange struct {
	// Known: the ranges of at least one of the brokers are known.
	Known bool
	// Common is the range that all of them support, Widest the union; nil if empty.
	Common, Widest *model.Range
}

func newBrokerRanges(r *model.Report) *brokerRanges {
	o := &brokerRanges{brokers: make(map[string][]*model.Broker, len(r.Brokers)), supplied: map[rangeKey]model.Range{}}
	for i := range r.Brokers {
		b := &r.Brokers[i]
		o.brokers[b.Address] = append(o.brokers[b.Address], b)
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.APIKey != nil && f.Advertised != nil {
			o.supplied[rangeKey{f.Broker, *f.APIKey}] = *f.Advertised
		}
	}
	return o
}

// of returns the ranges that brokers at these addresses advertise for an API.
func (o *brokerRanges) of(addresses []string, key int16) clientRange {
	out := clientRange{}
	for _, address := range addresses {
		known := false
		for _, b := range o.brokers[address] {
			if len(b.APIs) > 0 {
				out.add(rangeOf(b, key))
				known = true
			}
		}
		if r, ok := o.supplied[rangeKey{address, key}]; ok && !known {
			out.add(&r)
		}
	}
	return out
}

// add adds the range of one more broker; nil if it does not have the API.
func (o *clientRange) add(r *model.Range) {
	first := !o.Known
	o.Known = true
	switch {
	case r == nil:
		o.Common = nil
		return
	case first:
		o.Common = new(*r)
	case o.Common != nil:
		if common := (model.Range{Min: max(o.Common.Min, r.Min), Max: min(o.Common.Max, r.Max)}); common.Min <= common.Max {
			o.Common = &common
		} else {
			o.Common = nil
		}
	}
	widest := *r
	if o.Widest != nil {
		widest = model.Range{Min: min(o.Widest.Min, r.Min), Max: max(o.Widest.Max, r.Max)}
	}
	o.Widest = &widest
}

func (o clientRange) text() string {
	switch {
	case !o.Known:
		return "range unknown"
	case o.Widest == nil:
		return "not advertised"
	case o.Common == nil:
		return "differs, " + o.Widest.Text() + " on some brokers"
	case *o.Common != *o.Widest:
		return o.Common.Text() + ", " + o.Widest.Text() + " on some brokers"
	}
	return o.Common.Text()
}

// rangeOf returns the range that the broker advertises for an API; nil for none.
func rangeOf(b *model.Broker, key int16) *model.Range {
	for i := range b.APIs {
		if b.APIs[i].Key == key {
			return &b.APIs[i].Range
		}
	}
	return nil
}

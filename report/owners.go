package report

import (
	"net/netip"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// ProcessAt returns the process at one end of a connection, if it is known at the time of the
// call. The stream number identifies the connection, the address its end.
type ProcessAt func(stream uint32, end netip.AddrPort) (p model.Process, ok bool)

// owners are the processes of a client. A process is looked up when a connection is over. For each
// report, the process of the latest connection is also looked up. A lookup can take longer than a
// request.
type owners struct {
	members[model.Process]
	stream uint32
	end    netip.AddrPort
}

// exchange records the connection of the latest request.
func (o *owners) exchange(x *decode.Exchange) { o.stream, o.end = x.Stream, x.Client }

// find adds the process of the latest connection.
func (o *owners) find(at ProcessAt) {
	if at == nil {
		return
	}
	if p, ok := at(o.stream, o.end); ok {
		o.add(p)
	}
}

// finish returns the processes in order; nil for none.
func (o *owners) finish() []model.Process { return model.UnionProcesses(nil, o.list) }

// principalNames returns user names in order; nil for none.
func principalNames(m *members[string]) []string {
	if len(m.list) == 0 {
		return nil
	}
	return m.texts(strings.Compare, func(s string) string { return s })
}

package report

import (
	"net/netip"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// ProcessAt returns the process at one end of a connection, as far as it is known by now. The connection is named
// by its stream number, the end by its address. nil finds none.
type ProcessAt func(stream uint32, end netip.AddrPort) (p model.Process, ok bool)

// owners are the processes of a client. They are looked up when a connection is over, and for each report at its latest
// connection: a lookup can take longer than a request.
type owners struct {
	members[model.Process]
	stream uint32
	end    netip.AddrPort
}

// exchange notes the connection of the latest request.
func (o *owners) exchange(x *decode.Exchange) { o.stream, o.end = x.Stream, x.Client }

// find takes the process of the latest connection.
func (o *owners) find(at ProcessAt) {
	if at == nil {
		return
	}
	if p, ok := at(o.stream, o.end); ok {
		o.add(p)
	}
}

// finish returns the processes in order, nil for none.
func (o *owners) finish() []model.Process { return model.UnionProcesses(o.list, nil) }

// principalNames are user names in order, nil for none.
func principalNames(m *members[string]) []string {
	if len(m.list) == 0 {
		return nil
	}
	return m.texts(strings.Compare, func(s string) string { return s })
}

//go:build !linux && !libpcap

package capture

import (
	"errors"
	"runtime"
)

var errNoLive = errors.New("this kafkavet was built without libpcap, which live capture needs on " + runtime.GOOS +
	": build it with CGO_ENABLED=1 go build -tags libpcap, or record with tcpdump -w and analyze the file")

func openTap(*LiveOptions) (tap, LinkType, error) { return nil, 0, errNoLive }

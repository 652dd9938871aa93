package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/decode"
)

// answer is a broker's response to ApiVersions, and the version it was asked with.
type answer struct {
	version  int16
	response *kmsg.ApiVersionsResponse
}

// newestAnswer asks for ApiVersions, with the newest version first and one lower on
// a new connection each time, until one is accepted.
func newestAnswer(ctx context.Context, addr string) (answer, error) {
	var last error
	for version := kmsg.NewPtrApiVersionsRequest().MaxVersion(); version >= 0; version-- {
		response, err := askOnce(ctx, addr, version)
		if err == nil && response.ErrorCode == 0 {
			return answer{version, response}, nil
		}
		if err == nil {
			err = fmt.Errorf("error %d", response.ErrorCode)
		}
		last = fmt.Errorf("ApiVersions v%d: %w", version, err)
	}
	return answer{}, last
}

// askOnce sends ApiVersions on a connection of its own.
func askOnce(ctx context.Context, addr string, version int16) (*kmsg.ApiVersionsResponse, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	request := kmsg.NewPtrApiVersionsRequest()
	request.ClientSoftwareName, request.ClientSoftwareVersion = "kafkavet-lab", "1"
	request.SetVersion(version)
	if _, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("lab")).AppendRequest(nil, request, 1)); err != nil {
		return nil, err
	}
	var size uint32
	if err := binary.Read(conn, binary.BigEndian, &size); err != nil {
		return nil, err
	}
	if size < 4 || size > 1<<20 {
		return nil, fmt.Errorf("a response of %d bytes", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	response := request.ResponseKind().(*kmsg.ApiVersionsResponse)
	// The header is the correlation id alone, whatever the version. A version
	// that the broker does not know is answered in that of v0 (KIP-511).
	if err := response.ReadFrom(body[4:]); err == nil {
		return response, nil
	}
	response.SetVersion(0)
	return response, response.ReadFrom(body[4:])
}

// table is what a file in decode/releases holds.
type table struct {
	release  string
	mode     mode
	source   string
	apis     []kmsg.ApiVersionsResponseApiKey
	features []kmsg.ApiVersionsResponseSupportedFeature
}

// ranges asks a cluster for its tables: that of the broker and, in KRaft, that of the controller.
func (c *cluster) ranges(ctx context.Context) ([]table, error) {
	asked := map[mode]string{c.mode: c.internal}
	if c.mode == kraft {
		asked[controller] = address(c.host, controllerPort)
	}
	var all []table
	for m, addr := range asked {
		a, err := settled(ctx, addr)
		if err != nil {
			return nil, fmt.Errorf("%s listener: %w", m, err)
		}
		source := fmt.Sprintf("ApiVersions v%d response of %s with its default configuration", a.version, c.artifact())
		if m == controller {
			source = fmt.Sprintf("ApiVersions v%d response of the controller listener of %s with its default configuration", a.version, c.artifact())
		}
		t := table{c.version, m, source, a.response.ApiKeys, a.response.SupportedFeatures}
		slices.SortFunc(t.apis, func(a, b kmsg.ApiVersionsResponseApiKey) int { return cmp.Compare(a.ApiKey, b.ApiKey) })
		slices.SortFunc(t.features, func(a, b kmsg.ApiVersionsResponseSupportedFeature) int { return strings.Compare(a.Name, b.Name) })
		all = append(all, t)
	}
	return all, nil
}

// settled asks until two answers, a second apart, are the same: a broker that has
// not heard of its controller yet may answer with less.
func settled(ctx context.Context, addr string) (answer, error) {
	var before answer
	for range 10 {
		now, err := newestAnswer(ctx, addr)
		if err != nil {
			return answer{}, err
		}
		if before.response != nil && slices.EqualFunc(before.response.ApiKeys, now.response.ApiKeys, func(a, b kmsg.ApiVersionsResponseApiKey) bool {
			return a.ApiKey == b.ApiKey && a.MinVersion == b.MinVersion && a.MaxVersion == b.MaxVersion
		}) {
			return now, nil
		}
		before = now
		time.Sleep(time.Second)
	}
	return answer{}, errors.New("the answers keep changing")
}

// write writes the table to a folder, in the format of decode/releases.
func (t table) write(dir string) error {
	var b strings.Builder
	fmt.Fprintln(&b, t.source)
	for _, a := range t.apis {
		fmt.Fprintf(&b, "%d %s %d %d\n", a.ApiKey, decode.APIName(a.ApiKey), a.MinVersion, a.MaxVersion)
	}
	for _, f := range t.features {
		fmt.Fprintf(&b, "feature %s %d %d\n", f.Name, f.MinVersion, f.MaxVersion)
	}
	return os.WriteFile(filepath.Join(dir, fmt.Sprintf("kafka-%s-%s.txt", t.release, t.mode)), []byte(b.String()), 0o644)
}

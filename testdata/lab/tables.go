package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/decode"
)

// ask asks for ApiVersions, in the newest version that the broker and kmsg have.
func ask(ctx context.Context, addr string) (*kmsg.ApiVersionsResponse, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request := kmsg.NewPtrApiVersionsRequest()
	request.ClientSoftwareName, request.ClientSoftwareVersion = "kafkavet-lab", "1"
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	return response, kerr.ErrorForCode(response.ErrorCode)
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
		response, err := settled(ctx, addr)
		if err != nil {
			return nil, fmt.Errorf("%s listener: %w", m, err)
		}
		source := fmt.Sprintf("ApiVersions v%d response of %s with its default configuration", response.Version, c.artifact())
		if m == controller {
			source = fmt.Sprintf("ApiVersions v%d response of the controller listener of %s with its default configuration", response.Version, c.artifact())
		}
		t := table{c.version, m, source, response.ApiKeys, response.SupportedFeatures}
		slices.SortFunc(t.apis, func(a, b kmsg.ApiVersionsResponseApiKey) int { return cmp.Compare(a.ApiKey, b.ApiKey) })
		slices.SortFunc(t.features, func(a, b kmsg.ApiVersionsResponseSupportedFeature) int { return strings.Compare(a.Name, b.Name) })
		all = append(all, t)
	}
	return all, nil
}

// settled asks until two answers, a second apart, are the same: a broker that has
// not heard of its controller yet may answer with less.
func settled(ctx context.Context, addr string) (*kmsg.ApiVersionsResponse, error) {
	var before *kmsg.ApiVersionsResponse
	for range 10 {
		now, err := ask(ctx, addr)
		if err != nil {
			return nil, err
		}
		if before != nil && slices.EqualFunc(before.ApiKeys, now.ApiKeys, func(a, b kmsg.ApiVersionsResponseApiKey) bool {
			return a.ApiKey == b.ApiKey && a.MinVersion == b.MinVersion && a.MaxVersion == b.MaxVersion
		}) {
			return now, nil
		}
		before = now
		time.Sleep(time.Second)
	}
	return nil, errors.New("the answers keep changing")
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

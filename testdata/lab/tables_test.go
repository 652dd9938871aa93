package main

import (
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/twmb/franz-go/pkg/kversion"
)

// writtenTables returns the tables in decode/releases, by release and mode.
func writtenTables() map[string]*decode.Table {
	all := map[string]*decode.Table{}
	for _, t := range decode.Tables() {
		all[t.Release+"-"+string(t.Mode)] = t
	}
	return all
}

// minor is kversion's name of a release's minor one.
func minor(version string) string {
	parts := strings.Split(version, ".")
	if parts[0] == "0" {
		return "v" + strings.Join(parts[:3], ".")
	}
	return "v" + strings.Join(parts[:2], ".")
}

// The tables were asked of brokers, kversion's were read from Kafka's source: where both
// know an API, they must agree on its max.
func TestTablesAgreeWithKversion(t *testing.T) {
	all := writtenTables()
	compared := 0
	for _, n := range nodes("*") {
		w, ok := all[n.String()]
		if !ok {
			t.Errorf("there is no table of %s", n)
			continue
		}
		known := kversion.FromString(minor(n.version))
		if known == nil {
			t.Errorf("kversion has no %s", minor(n.version))
			continue
		}
		have := map[int16]bool{}
		for _, a := range w.Ranges.APIs {
			have[a.Key] = true
			most, ok := known.LookupMaxKeyVersion(a.Key)
			switch {
			case n.version == "0.10.2.2" && a.Key == 9: // OffsetFetch v2 came in 0.10.2 (KIP-88), which kversion misses
				if a.Max != 2 || most != 1 {
					t.Errorf("%s OffsetFetch: broker %d, kversion %d", n, a.Max, most)
				}
			case ok && most != a.Max:
				t.Errorf("%s %s: broker %d, kversion %d", n, decode.APIName(a.Key), a.Max, most)
			case !ok && (n.mode == zookeeper || n.atLeast(4, 0)): // before 4.0, kversion's tables are of brokers with ZooKeeper
				t.Errorf("%s %s: only the broker has it", n, decode.APIName(a.Key))
			}
			compared++
		}
		known.EachMaxKeyVersion(func(key, _ int16) {
			telemetry := key == 71 || key == 72 // hidden without a metrics receiver: KIP-714
			if !have[key] && !telemetry && (n.mode == zookeeper || n.atLeast(4, 0)) {
				t.Errorf("%s: only kversion has API %d", n, key)
			}
		})
	}
	if compared < 1000 {
		t.Errorf("only %d ranges compared", compared)
	}
}

// The minimums of Kafka 4 (KIP-896), which kversion keeps private. No earlier release has any, but
// for ControlledShutdown, whose v0 has a header of its own.
func TestMinimumsAreThoseOfKIP896(t *testing.T) {
	kip896 := map[string]int16{
		"Fetch": 4, "ListOffsets": 1, "OffsetCommit": 2, "OffsetFetch": 1, "CreateTopics": 2, "DeleteTopics": 1, "OffsetForLeaderEpoch": 2,
		"WriteTxnMarkers": 1, "DescribeAcls": 1, "CreateAcls": 1, "DeleteAcls": 1, "DescribeConfigs": 1, "AlterReplicaLogDirs": 1, "DescribeLogDirs": 1,
		"CreateDelegationToken": 1, "RenewDelegationToken": 1, "ExpireDelegationToken": 1, "DescribeDelegationToken": 1,
		"AlterPartition": 2, // on controllers only
	}
	for name, w := range writtenTables() {
		r := release{version: w.Release}
		for _, a := range w.Ranges.APIs {
			var want int16
			switch {
			case decode.APIName(a.Key) == "ControlledShutdown" && !r.atLeast(1, 0):
				want = 1
			case decode.APIName(a.Key) == "JoinGroup" && w.Release == "4.0.0": // lowered again in 4.0.1: KAFKA-19444
				want = 2
			case strings.HasPrefix(decode.APIName(a.Key), "Share") && r.atLeast(4, 1): // v0 was early access in 4.0 (KIP-932)
				want = shareMin(decode.APIName(a.Key))
			case r.atLeast(4, 0):
				want = kip896[decode.APIName(a.Key)]
			}
			if a.Min != want {
				t.Errorf("%s %s: from %d, not %d", name, decode.APIName(a.Key), a.Min, want)
			}
		}
	}
}

// shareMin is the min of the APIs of share groups since Kafka 4.1.
func shareMin(name string) int16 {
	switch name {
	case "ShareGroupHeartbeat", "ShareGroupDescribe", "ShareFetch", "ShareAcknowledge":
		return 1
	}
	return 0
}

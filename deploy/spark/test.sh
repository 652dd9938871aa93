#!/usr/bin/env bash
# test.sh KAFKAVET runs fleet.py on a local cluster and compares its report with what merge makes of
# the same captures. It needs Java 17, and pyspark for the python3 that is found first.
set -euo pipefail
kafkavet=$(realpath "$1")
cd "$(dirname "$0")"
work=$(mktemp -d)
mkdir "$work/captures" "$work/reports"
cp ../../testdata/captures/{confluent-go-2.6.0_fetch-max-7,kv4001-fires-certain,kv1001-*,kv1002-*}.pcap "$work/captures"
echo "no capture" >"$work/captures/broken.pcap"
n=0
for capture in "$work"/captures/*; do
	n=$((n + 1))
	{ "$kafkavet" analyze -q --format json --fail-on never --target kafka-4.0 - <"$capture" || [[ $capture == */broken.pcap ]]; } |
		sed "s|\"path\": \"-\"|\"path\": \"file:$capture\"|" >"$work/reports/$n.json"
done
"$kafkavet" merge --fail-on never --format json "$work"/reports/*.json >"$work/want.json"
export PYSPARK_PYTHON=python3 SPARK_LOCAL_IP=127.0.0.1
python3 fleet.py "file://$work/captures" --kafkavet "$kafkavet" --out "$work/got.json" -- --target kafka-4.0
cmp "$work/want.json" "$work/got.json"
grep -q "not a pcap or pcapng capture" "$work/got.json"
python3 fleet.py "file://$work/captures" --kafkavet "$kafkavet" --out "$work/redacted.json" -- --redact
if grep -q "$work" "$work/redacted.json"; then
	echo "a redacted report names where the captures are stored"
	exit 1
fi
echo "$n captures: the report of Spark is the one of kafkavet merge"
rm -rf "$work"

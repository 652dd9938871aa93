#!/usr/bin/env python3
"""Analyze the captures of a fleet on Apache Spark, and merge their reports into one.

    spark-submit deploy/spark/fleet.py s3a://captures/2026-11/ --out fleet.json -- --target kafka-4.0

Every executor needs the program kafkavet (--kafkavet PATH, or spark-submit --files kafkavet).
A capture is analyzed in one task, as one value in memory: rotate captures at 1 GB or less.
What stands behind -- are flags of kafkavet analyze.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from pyspark.sql import SparkSession


def run(command, stdin=None):
    """Runs kafkavet and returns its standard output.

    Findings (exit code 1) are no failure, nor is a capture that cannot be read: its report names the problem.
    """
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode > 1 and not done.stdout:
        raise RuntimeError(f"{' '.join(command[:2])}: exit code {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def analyze(kafkavet, flags, capture):
    """Returns the JSON report of a capture. Without --redact, it names where the capture is stored."""
    try:
        output = run([kafkavet, "analyze", "-q", "--format", "json", "--fail-on", "never", *flags, "-"], bytes(capture.content))
    except RuntimeError as e:
        raise RuntimeError(f"{capture.path}: {e}") from e
    report = json.loads(output)
    if not report["parts"][0].get("redacted"):
        report["captures"][0]["path"] = capture.path
    return json.dumps(report).encode()


def merge(kafkavet, *reports, form="json"):
    """Returns one report of several. Order and grouping do not matter."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for i, report in enumerate(reports):
            names.append(os.path.join(folder, f"{i}.json"))
            with open(names[-1], "wb") as f:
                f.write(report)
        return run([kafkavet, "merge", "--format", form, "--fail-on", "never", *names])


def main():
    argv, flags = sys.argv[1:], []
    if "--" in argv:
        at = argv.index("--")
        argv, flags = argv[:at], argv[at + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", help="a folder that Spark can read: s3a://, hdfs://, gs://, file://")
    parser.add_argument("--out", required=True, help="the report to write, on the driver")
    parser.add_argument("--format", default="json", help="its format, as of kafkavet merge")
    parser.add_argument("--kafkavet", default="kafkavet", help="the program, on driver and executors")
    parser.add_argument("--glob", default="*.pcap*", help="which files are captures")
    opt = parser.parse_args(argv)

    spark = SparkSession.builder.appName("kafkavet").getOrCreate()
    captures = (
        spark.read.format("binaryFile")
        .option("pathGlobFilter", opt.glob)
        .option("recursiveFileLookup", "true")
        .load(opt.captures)
        .select("path", "content")
        .rdd
    )
    if captures.isEmpty():
        sys.exit(f"{opt.captures}: no file is named like {opt.glob}")
    program = opt.kafkavet
    report = captures.map(lambda c: analyze(program, flags, c)).treeReduce(lambda a, b: merge(program, a, b))
    with open(opt.out, "wb") as f:
        f.write(merge(program, report, form=opt.format))
    spark.stop()


if __name__ == "__main__":
    main()

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// number is the next version; CHANGELOG.md describes it.
const number = "0.2.0"

// The linker sets version, commit and date for releases (-X main.version=...).
var version, commit, date string

func newVersion(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "the version of kafkavet",
		Long:              "The version of kafkavet, with commit, date and the Go release that built it.",
		Example:           "  kafkavet version",
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              noArguments,
	}
	return cmd, func(context.Context, []string) (int, error) {
		return exitClean, writeVersion(e.out)
	}
}

func writeVersion(w io.Writer) error {
	b := newBuild()
	_, err := fmt.Fprintf(w, "kafkavet %s\ncommit %s\ndate %s\ngo %s %s/%s\n",
		b.version, b.commit, b.date, strings.TrimPrefix(runtime.Version(), "go"), runtime.GOOS, runtime.GOARCH)
	return writeError("standard output", err)
}

type build struct{ version, commit, date string }

func toolVersion() string { return newBuild().version }

func newBuild() build { return buildOf(debug.ReadBuildInfo()) }

// pseudoVersion matches Go's version of a commit without a tag, with its time and commit.
var pseudoVersion = regexp.MustCompile(`-(?:0\.)?(\d{14})-([0-9a-f]{12})(?:\+dirty)?$`)

// buildOf returns what the linker set. Otherwise it returns what the build recorded: go install
// MODULE@VERSION records the version, go build in a checkout the commit.
func buildOf(info *debug.BuildInfo, ok bool) build {
	b := build{version: version, commit: commit, date: date}
	if ok {
		isModified := ""
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.commit = cmp.Or(b.commit, s.Value)
			case "vcs.time":
				b.date = cmp.Or(b.date, s.Value)
			case "vcs.modified":
				if s.Value == "true" {
					isModified = "+dirty"
				}
			}
		}
		if of := pseudoVersion.FindStringSubmatch(info.Main.Version); of != nil {
			b.commit = cmp.Or(b.commit, of[2])
			if at, err := time.Parse("20060102150405", of[1]); err == nil {
				b.date = cmp.Or(b.date, at.Format(time.RFC3339))
			}
		} else if strings.HasPrefix(info.Main.Version, "v") && isModified == "" {
			b.version = cmp.Or(b.version, strings.TrimPrefix(info.Main.Version, "v"))
		}
		b.version = cmp.Or(b.version, number+"-dev"+isModified)
	}
	return build{cmp.Or(b.version, number+"-dev"), cmp.Or(b.commit, "unknown"), cmp.Or(b.date, "unknown")}
}

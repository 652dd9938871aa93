package main

import (
	"runtime/debug"
	"testing"
)

// TestBuild uses build records of go install, go build and the linker.
func TestBuild(t *testing.T) {
	checkout := func(version, modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "3c4b4f7e"}, {Key: "vcs.time", Value: "2026-11-29T15:00:00Z"}, {Key: "vcs.modified", Value: modified},
		}}
	}
	defer func(v string) { version, commit, date = v, "", "" }(version)
	version = ""
	for _, test := range []struct {
		name string
		info *debug.BuildInfo
		want build
	}{
		{"go install of a release", &debug.BuildInfo{Main: debug.Module{Version: "v0.2.1"}}, build{"0.2.1", "unknown", "unknown"}},
		{"go install of a commit", &debug.BuildInfo{Main: debug.Module{Version: "v0.2.1-0.20261129150000-3c4b4f7e0000"}},
			build{"0.2.0-dev", "3c4b4f7e0000", "2026-11-29T15:00:00Z"}},
		{"go build", checkout("v0.0.0-20261129150000-3c4b4f7e0000", "false"), build{"0.2.0-dev", "3c4b4f7e", "2026-11-29T15:00:00Z"}},
		{"go build of changed files", checkout("v0.0.0-20261129150000-3c4b4f7e0000+dirty", "true"), build{"0.2.0-dev+dirty", "3c4b4f7e", "2026-11-29T15:00:00Z"}},
		{"go build of changed files on a tag", checkout("v0.2.0+dirty", "true"), build{"0.2.0-dev+dirty", "3c4b4f7e", "2026-11-29T15:00:00Z"}},
		{"go build on a tag", checkout("v0.2.0", "false"), build{"0.2.0", "3c4b4f7e", "2026-11-29T15:00:00Z"}},
		{"go test", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, build{"0.2.0-dev", "unknown", "unknown"}},
		{"nothing", nil, build{"0.2.0-dev", "unknown", "unknown"}},
	} {
		if got := buildOf(test.info, test.info != nil); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
	version, commit, date = "0.2.0", "abc", "2026-12-01"
	if got, want := buildOf(checkout("v0.0.0-20261129150000-3c4b4f7e0000", "false"), true), (build{"0.2.0", "abc", "2026-12-01"}); got != want {
		t.Errorf("a release: %+v, want %+v", got, want)
	}
}

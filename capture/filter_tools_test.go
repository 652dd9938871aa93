//go:build tools

package capture

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateFilters = flag.Bool("update-filters", false, "write what tcpdump makes of the filters to testdata/filter")

// TestFilterFixturesAreTcpdumps checks that the programs in testdata/filter are what the tcpdump
// of this machine prints.
func TestFilterFixturesAreTcpdumps(t *testing.T) {
	known := map[string]bool{}
	for _, c := range filterCases() {
		for _, f := range c.fixtures() {
			known[f.file] = true
			out, err := exec.Command("tcpdump", "-ddd", "-y", f.link, f.expression).Output()
			if err != nil {
				t.Fatalf("tcpdump -ddd -y %s %q: %v", f.link, f.expression, err)
			}
			want := append([]byte(f.head()), out...)
			if *updateFilters {
				if err := os.WriteFile(f.file, want, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(f.file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what tcpdump prints (-update-filters writes it anew):\n%s", f.file, cmp.Diff(string(want), string(got)))
			}
		}
	}
	files, err := filepath.Glob("testdata/filter/*.ddd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f] {
			t.Errorf("%s belongs to no case", f)
		}
	}
}

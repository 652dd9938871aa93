package decode

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRecorded: the files in releases hold valid tables, with the names of the APIs.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("releases/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	tables := recorded()
	if len(tables) != len(files) {
		t.Fatalf("%d tables in %d files", len(tables), len(files))
	}
	for i, table := range tables {
		if err := checkTable(table); err != nil {
			t.Errorf("%s: %v", files[i], err)
		}
		if name := table.Name() + ".txt"; filepath.Base(files[i]) != name {
			t.Errorf("%s holds the table of %s", files[i], name)
		}
		data, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range table.Ranges.APIs {
			if row := fmt.Sprintf("\n%d %s %d %d\n", a.Key, APIName(a.Key), a.Min, a.Max); !strings.Contains(string(data), row) {
				t.Errorf("%s lacks the line %q", files[i], row)
			}
		}
	}
}

// releaseNumber is the number of a release: three parts, four as in 0.10.2.2, or without the patch
// release.
var releaseNumber = regexp.MustCompile(`^(0\.[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3})?|[1-9][0-9]{0,2}\.[0-9]{1,3}(\.[0-9]{1,3})?)$`)

func checkTable(t *Table) error {
	switch {
	case !releaseNumber.MatchString(t.Release):
		return fmt.Errorf("release %q: want a number such as 2.1.1", t.Release)
	case t.Mode != ZooKeeper && t.Mode != KRaft && t.Mode != Controller:
		return fmt.Errorf("mode %q: want zookeeper, kraft or controller", t.Mode)
	case t.Source == "":
		return errors.New("no source")
	case t.Source[0] >= '0' && t.Source[0] <= '9':
		return fmt.Errorf("the first line is %q: want the source of the ranges, not an API", t.Source)
	}
	for i, a := range t.Ranges.APIs {
		if a.Min > a.Max {
			return fmt.Errorf("%s: min %d is above max %d", APIName(a.Key), a.Min, a.Max)
		}
		if i > 0 && t.Ranges.APIs[i-1].Key >= a.Key {
			return fmt.Errorf("API key %d: keys have to ascend", a.Key)
		}
	}
	if _, ok := t.Ranges.Find(keyApiVersions); !ok {
		return errors.New("no range for ApiVersions")
	}
	return nil
}

func TestReadTableRefuses(t *testing.T) {
	const name = "kafka-4.0.0-kraft.txt"
	for _, tt := range []struct{ what, name, text, want string }{
		{"nothing", name, ``, "no source"},
		{"cut", name, "x\n18 ApiVersions 0", "want a key"},
		{"another word", name, "x\nfaeture metadata.version 1 2", "invalid syntax"},
		{"more behind", name, "x\n18 ApiVersions 0 4\n{}", "want a key"},
		{"a large number", name, "x\n18 ApiVersions 0 40000", "out of range"},
		{"a negative number", name, "x\n18 ApiVersions -1 4", "invalid syntax"},
		{"no max", name, "x\n18 ApiVersions 0", "want a key"},
		{"a feature without max", name, "x\nfeature metadata.version 1", "want a key"},
		{"no release", "kafka--kraft.txt", "x\n18 ApiVersions 0 4", "release"},
		{"an unknown mode", "kafka-4.0.0-raft.txt", "x\n18 ApiVersions 0 4", "mode"},
		{"no source", name, "\n18 ApiVersions 0 4", "source"},
		{"an API in the first line", name, "0 Produce 0 4\n18 ApiVersions 0 4", "first line"},
		{"min above max", name, "x\n18 ApiVersions 4 0", "Versions: min 4 is above max 0"},
		{"keys out of order", name, "x\n18 ApiVersions 0 4\n1 Fetch 0 4", "ascend"},
		{"no ApiVersions", name, "x\n1 Fetch 0 4", "ApiVersions"},
	} {
		table, err := readTable(tt.name, tt.text)
		if err == nil {
			err = checkTable(table)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.what, err, tt.want)
		}
	}
}

package decode

import (
	"cmp"
	"embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed releases/*.txt
var releaseFiles embed.FS

// recorded returns the tables that servers of a release advertised. A test shows that the files
// are valid.
func recorded() []*Table {
	files, err := releaseFiles.ReadDir("releases")
	if err != nil {
		panic(err)
	}
	tables := make([]*Table, len(files))
	for i, f := range files {
		data, err := releaseFiles.ReadFile("releases/" + f.Name())
		if err == nil {
			tables[i], err = readTable(f.Name(), string(data))
		}
		if err != nil {
			panic(err)
		}
	}
	return tables
}

// readTable parses a file in releases. Its README describes them.
func readTable(name, text string) (*Table, error) {
	release, mode, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(name, "kafka-"), ".txt"), "-")
	source, rows, _ := strings.Cut(text, "\n")
	t := &Table{Release: release, Mode: Mode(mode), Source: source, Ranges: &Ranges{}}
	for row := range strings.Lines(rows) {
		columns := strings.Fields(row)
		if len(columns) != 4 {
			return nil, fmt.Errorf("%s: %q: want a key or the word feature, a name, min and max", name, row)
		}
		var err error
		number := func(text string) int16 {
			n, wrong := strconv.ParseUint(text, 10, 15)
			err = cmp.Or(err, wrong)
			return int16(n)
		}
		if ranged := (Range{number(columns[2]), number(columns[3])}); columns[0] == "feature" {
			t.Ranges.Features = append(t.Ranges.Features, Feature{columns[1], ranged})
		} else {
			t.Ranges.APIs = append(t.Ranges.APIs, API{number(columns[0]), ranged})
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, row, err)
		}
	}
	return t, nil
}

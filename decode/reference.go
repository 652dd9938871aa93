package decode

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Reference is a table of ranges that the user names: a release of Kafka, or
// a file that says what brokers advertise. It must not be changed.
type Reference struct {
	Table *Table
	// Name is what the table is of, without a name from the file: "Kafka 4.0.1", "3 brokers, by their ranges Kafka 4.1".
	Name string
	// File is the file's path, empty for a release.
	File string
	// Notes say what one has to know of it.
	Notes []string
}

// Called is the reference as it is called in the texts of findings.
func (r *Reference) Called() string {
	if r.File != "" {
		return "the target"
	}
	return r.Name
}

// Release is the name by which LoadReference finds it again, empty for a file.
func (r *Reference) Release() string {
	if r.File != "" {
		return ""
	}
	return r.Table.Name()
}

// maxReference bounds a file of ranges. The JSON of a report of 4,096 brokers
// with 95 APIs of 110 bytes is 43 MB, one of a hundred brokers 1 MB.
const maxReference = 64 << 20

// LoadReference finds the table of a release ("kafka-4.0.1", "4.0", "confluent-8.0"), or reads that of a
// file: the JSON form of a report, or the output of kafka-broker-api-versions.sh.
func LoadReference(name string) (*Reference, error) {
	if IsTableName(name) {
		t, err := FindTable(name)
		if err != nil {
			return nil, fmt.Errorf("%w; a file of that name is ./%s", err, name)
		}
		r := referenceOf(t)
		if _, note, _ := fromVendor(Tables(), name); note != "" {
			r.Notes = append(r.Notes, note)
		}
		return r, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, noReference(name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxReference+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, reasonOf(err))
	}
	return parseReference(name, data)
}

// noReference says why neither a release nor a file has such a name.
func noReference(name string, err error) error {
	if !errors.Is(err, os.ErrNotExist) || strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("read %s: %w", name, reasonOf(err))
	}
	_, unknown := FindTable(name)
	return fmt.Errorf("%w; there is no file of that name, either", unknown)
}

// reasonOf is what the system said, without the name it was said of.
func reasonOf(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// referenceOf is the reference to a release.
func referenceOf(t *Table) *Reference {
	r := &Reference{Table: t, Name: t.Title()}
	if !t.Recorded {
		r.Notes = []string{"no broker of this release was recorded"}
	}
	return r
}

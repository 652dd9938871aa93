package decode

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/kafkavet/kafkavet/capture"
)

// Reference is a table of ranges that the user named: a release of Kafka, or a file with the
// ranges of brokers. It must not be changed.
type Reference struct {
	Table *Table
	// Name describes the table without the file's name: "Kafka 4.0.1", "3 brokers, by the ranges
	// Kafka 4.1".
	Name string
	// File is the file's path, empty for a release.
	File string
	// Notes are what a reader must know about the table.
	Notes []string
}

// Label returns the name of the reference in the texts of findings.
func (r *Reference) Label() string {
	if r.File != "" {
		return "the target"
	}
	return r.Name
}

// Release returns the name by which LoadReference finds the table, empty for a file.
func (r *Reference) Release() string {
	if r.File != "" {
		return ""
	}
	return r.Table.Name()
}

// maxReference bounds a file of ranges. The JSON of a report with 4,096 brokers of 95 APIs of
// 110 bytes is 43 MB; with a hundred brokers it is 1 MB.
const maxReference = 64 << 20

// LoadReference finds the table of a release ("kafka-4.0.1", "4.0", "confluent-8.0"), or reads a
// file: the JSON form of a report, or the output of kafka-broker-api-versions.sh.
func LoadReference(name string) (*Reference, error) {
	if IsTableName(name) {
		t, err := FindTable(name)
		if err != nil {
			return nil, fmt.Errorf("%w; a file of that name is ./%s", err, name)
		}
		r := &Reference{Table: t, Name: t.Title()}
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
		return nil, fmt.Errorf("read %s: %w", name, capture.Cause(err))
	}
	return parseReference(name, data)
}

// noReference explains why name is neither a release nor a readable file.
func noReference(name string, err error) error {
	if !errors.Is(err, os.ErrNotExist) || strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("read %s: %w", name, capture.Cause(err))
	}
	_, unknown := FindTable(name)
	return fmt.Errorf("%w; there is also no file of that name", unknown)
}

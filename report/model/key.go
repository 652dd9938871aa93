package model

import (
	"cmp"
	"fmt"
	"strings"
)

// FindingKey is what a finding is recognised by in another report of the same
// software: no address, frame or time is in it. In a baseline, what is empty fits everything.
type FindingKey struct {
	Code string `json:"code"`
	// API and Version are those of the requests; empty and nil where the finding is about connections.
	API     string `json:"api,omitempty"`
	Version *int16 `json:"version,omitempty"`
	// SoftwareName, SoftwareVersion and ClientID are the client's.
	SoftwareName    string `json:"software_name,omitempty"`
	SoftwareVersion string `json:"software_version,omitempty"`
	ClientID        string `json:"client_id,omitempty"`
	// Broker is IP:port. Key leaves it empty.
	Broker string `json:"broker,omitempty"`
}

// Key is what f is recognised by.
func (f *Finding) Key() FindingKey {
	k := FindingKey{Code: f.Code, API: f.API, Version: f.Version}
	if c := f.Client; c != nil {
		k.SoftwareName, k.SoftwareVersion = c.SoftwareName, c.SoftwareVersion
		if c.ClientID != nil {
			k.ClientID = *c.ClientID
		}
	}
	return k
}

// Fits reports whether f is one of those that k describes.
func (k *FindingKey) Fits(f *Finding) bool {
	own := f.Key()
	own.Broker = f.Broker
	for _, pair := range [][2]string{
		{k.Code, own.Code}, {k.API, own.API}, {k.SoftwareName, own.SoftwareName}, {k.SoftwareVersion, own.SoftwareVersion},
		{k.ClientID, own.ClientID}, {k.Broker, own.Broker},
	} {
		if pair[0] != "" && pair[0] != pair[1] {
			return false
		}
	}
	return k.Version == nil || own.Version != nil && *k.Version == *own.Version
}

// String is the key in one line, the same for the same key.
func (k FindingKey) String() string {
	version := "-"
	if k.Version != nil {
		version = fmt.Sprint(*k.Version)
	}
	return strings.Join([]string{k.Code, cmp.Or(k.API, "-"), version, cmp.Or(k.SoftwareName, "-"), cmp.Or(k.SoftwareVersion, "-"), cmp.Or(k.ClientID, "-")}, "|")
}

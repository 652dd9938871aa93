package model

import (
	"cmp"
	"fmt"
	"strings"
)

// FindingKey identifies a finding across reports of the same software: it has no frame, no time
// and, except in a baseline, no address. In a baseline, an empty field matches every value.
type FindingKey struct {
	Code string `json:"code"`
	// API and Version describe the requests; empty and nil if the finding is about connections.
	API     string `json:"api,omitempty"`
	Version *int16 `json:"version,omitempty"`
	// SoftwareName, SoftwareVersion and ClientID describe the client.
	SoftwareName    string `json:"software_name,omitempty"`
	SoftwareVersion string `json:"software_version,omitempty"`
	ClientID        string `json:"client_id,omitempty"`
	// Broker is IP:port. Finding.Key leaves it empty.
	Broker string `json:"broker,omitempty"`
}

// Key returns the key of f.
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

// Fits reports whether k matches f.
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

// String returns the key without Broker in one line.
func (k FindingKey) String() string {
	version := "-"
	if k.Version != nil {
		version = fmt.Sprint(*k.Version)
	}
	return strings.Join([]string{k.Code, cmp.Or(k.API, "-"), version, cmp.Or(k.SoftwareName, "-"), cmp.Or(k.SoftwareVersion, "-"), cmp.Or(k.ClientID, "-")}, "|")
}

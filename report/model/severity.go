package model

import "fmt"

// Severity is the severity of a finding. The zero value is Info.
type Severity uint8

// The severities, in rising order.
const (
	Info Severity = iota
	Warning
	Error
)

// severityNames are the names in the contract.
var severityNames = [...]string{Info: "info", Warning: "warning", Error: "error"}

// String returns "info", "warning" or "error".
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// MarshalText returns String, for JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText parses a result of MarshalText.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severityNames {
		if string(text) == name {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("severity %q: not one of info, warning, error", text)
}

// Add counts a finding of that severity.
func (n *SeverityCounts) Add(s Severity) {
	switch s {
	case Error:
		n.Error++
	case Warning:
		n.Warning++
	default:
		n.Info++
	}
}

// CountSeverities counts findings by severity, each once regardless of its Count. Accepted
// findings are counted separately.
func CountSeverities(findings []Finding) (n SeverityCounts) {
	for i := range findings {
		if findings[i].Accepted {
			n.Accepted++
		} else {
			n.Add(findings[i].Severity)
		}
	}
	return n
}

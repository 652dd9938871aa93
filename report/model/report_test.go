package model

import "testing"

func TestTextsThatAreNoSeverityOrTimeAreErrors(t *testing.T) {
	var s Severity
	if err := s.UnmarshalText([]byte("fatal")); err == nil {
		t.Error("fatal is taken for a severity")
	}
	var at Time
	if err := at.UnmarshalText([]byte("yesterday")); err == nil {
		t.Error("yesterday is taken for a time")
	}
}

package redact

import (
	"errors"
	"strings"
	"testing"
)

func TestKey(t *testing.T) {
	if _, err := Key(strings.Repeat("x", MinSecret-1)); !errors.Is(err, ErrShort) {
		t.Errorf("a short secret: %v", err)
	}
	a, err := Key(strings.Repeat("x", MinSecret))
	b, errB := Key(strings.Repeat("y", MinSecret))
	if err != nil || errB != nil || len(a) != keySize || a == b {
		t.Errorf("keys %x and %x, %v, %v", a, b, err, errB)
	}
	// It must never change: reports of years are compared.
	if want := "client-0d41cef0"; NewPseudonyms(a).Name("client", "orders-svc") != want {
		t.Errorf("the pseudonym is %s, want %s", NewPseudonyms(a).Name("client", "orders-svc"), want)
	}
}

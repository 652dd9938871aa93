package redact

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/scrypt"
)

// MinSecret is the length in bytes of the shortest secret that Key accepts. 12 random letters and
// digits are 71 bits, too many for a search.
const MinSecret = 12

// The cost of scrypt: 32 MiB and some 0.1 s, once in a run.
const (
	costN = 1 << 15
	costR = 8
	costP = 1
)

// ErrShort is the error of Key for a secret that a search could find.
var ErrShort = errors.New("too short")

// Key derives the key of pseudonyms from a secret that a person chose. Equal secrets give equal
// keys. Each guess costs an attacker as much as one call. Without this cost, an attacker who knows
// a name and its pseudonym could try a dictionary in seconds.
func Key(secret string) (string, error) {
	if len(secret) < MinSecret {
		return "", fmt.Errorf("%w: %d bytes, at least %d are needed", ErrShort, len(secret), MinSecret)
	}
	// The salt is fixed, so that reports of many hosts have the same pseudonyms.
	key, err := scrypt.Key([]byte(secret), []byte("kafkavet pseudonyms"), costN, costR, costP, keySize)
	return string(key), err
}

package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// addUserKRaft makes the user known to SCRAM through the broker (KIP-554).
func (c *cluster) addUserKRaft(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.internal))
	if err != nil {
		return err
	}
	defer client.Close()
	const iterations = 4096
	for mechanism, digest := range map[int8]func() hash.Hash{1: sha256.New, 2: sha512.New} { // KIP-554's numbers
		salt := make([]byte, 16)
		if _, err := rand.Read(salt); err != nil {
			return err
		}
		salted, err := pbkdf2.Key(digest, password, salt, iterations, digest().Size())
		if err != nil {
			return err
		}
		u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
		u.Name, u.Mechanism, u.Iterations, u.Salt, u.SaltedPassword = user, mechanism, iterations, salt, salted
		alter := kmsg.NewPtrAlterUserSCRAMCredentialsRequest() // which may name a user once
		alter.Upsertions = append(alter.Upsertions, u)
		altered, err := alter.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("add the SCRAM user: %w", err)
		}
		for _, r := range altered.Results {
			if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
				return fmt.Errorf("add the SCRAM user: %w", err)
			}
		}
	}
	return nil
}

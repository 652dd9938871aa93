package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/words"
)

// keyring holds the TLS secrets of a job, from key logs and from captures.
type keyring struct {
	// Secrets may be used by any goroutine.
	*tlsrecord.Secrets
	warn func(error)
	// files may have secrets after the packets that need them. Set by openFiles; nil for an
	// interface.
	files *capture.Files
	// drain waits until the workers have processed all packets read so far. newPipeline sets it.
	drain func()
}

func newKeyring(logs []string, warn func(error)) (*keyring, error) {
	k := &keyring{warn: warn, drain: func() {}}
	k.Secrets = tlsrecord.NewFileSecrets(k.readLate)
	for _, name := range logs {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read key log %s: %w", name, reason(err))
		}
		lines, err := k.ReadKeyLog(f, name, warn)
		_ = f.Close() // it was only read
		if err != nil {
			return nil, fmt.Errorf("read key log: %w", err)
		}
		if k.Len() == 0 || lines == 0 {
			warn(noSecrets(name, lines))
		}
	}
	return k, nil
}

func noSecrets(name string, lines int) error {
	return fmt.Errorf("%s has no secrets (%s): the program was not started with it, or its OpenSSL was built without key logging",
		name, words.Plural(uint64(lines), "line"))
}

// newLiveKeyring returns an empty keyring for an interface; follow fills it.
func newLiveKeyring(warn func(error)) *keyring {
	return &keyring{Secrets: tlsrecord.NewSecrets(), warn: warn}
}

// tlsKeyLog is the secrets type of a TLS key log (draft-ietf-opsawg-pcapng, 4.7).
const tlsKeyLog = 0x544c534b

// add reads a pcapng decryption secrets block. It belongs to the reading goroutine.
func (k *keyring) add(s capture.Secret) {
	name := fmt.Sprintf("%s: decryption secrets after packet %d", s.Path, s.After)
	if s.Kind != tlsKeyLog {
		k.warn(fmt.Errorf("%s: their type %#08x is unknown; they are ignored", name, s.Kind))
		return
	}
	k.drain() // the secrets apply only to later packets
	if _, err := k.ReadKeyLog(bytes.NewReader(s.Text), name, k.warn); err != nil {
		k.warn(err)
	}
}

// readLate reads secrets that follow their packets. add warns about errors in them.
func (k *keyring) readLate(s *tlsrecord.Secrets) {
	if k.files == nil {
		return
	}
	k.files.EachSecret(func(block capture.Secret) {
		if block.Kind == tlsKeyLog {
			_, _ = s.ReadKeyLog(bytes.NewReader(block.Text), "", nil) // reading from memory does not fail
		}
	})
}

// keyLogInterval is how often key logs are read. Records wait 10 s for their secrets.
const keyLogInterval = 100 * time.Millisecond

// follow reads a growing key log until stop is closed. It has a goroutine of its own.
func (k *keyring) follow(name string, stop <-chan struct{}) {
	log := tlsrecord.FollowKeyLog(name, k.Secrets, k.warn)
	defer log.Close()
	warned, isMissing := "", false
	isThere, total := false, int64(0) // whether the file was found, and how many bytes were read
	tick := time.NewTicker(keyLogInterval)
	defer tick.Stop()
	for {
		added, err := log.Poll()
		total += added
		isThere = isThere || err == nil
		switch text := fmt.Sprint(err); {
		case err == nil:
			if isMissing {
				k.warn(fmt.Errorf("key log %s exists now: only connections that begin after this can be decrypted", name))
			}
			warned, isMissing = "", false
		case text != warned:
			warned = text
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w; waiting for it", err)
				isMissing = true
			}
			k.warn(err)
		}
		select {
		case <-stop:
			if isThere && total == 0 {
				k.warn(noSecrets(name, 0))
			}
			return
		case <-tick.C:
		}
	}
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// kafkaPorts are the arguments that give tshark the ports on which the scenes speak Kafka.
var kafkaPorts = []string{"-d", "tcp.port==9092,kafka", "-d", "tcp.port==9093,kafka", "-d", "tcp.port==9094,kafka", "-d", "tcp.port==19092,kafka"}

// oracles writes what tshark sees in the scenes' captures, those apart of
// which it is known to see something else than there is.
func oracles(captures, dir string) error {
	for _, s := range scenes() {
		if s.blind != "" || s.files > 1 {
			continue
		}
		path := filepath.Join(captures, s.name+".pcap")
		if _, err := os.Stat(path); err != nil {
			path += "ng"
		}
		requests, violations, err := capturetest.TsharkView(context.Background(), path, kafkaPorts...)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for kind, data := range map[string]string{"requests": requests, "violations": violations} {
			if err := os.WriteFile(filepath.Join(dir, s.name+"."+kind+".tsv"), []byte(data), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

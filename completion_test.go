package main

import (
	"io"
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

// TestCompletionsAreOfFlags: a completion for a flag that no command has would never run.
func TestCompletionsAreOfFlags(t *testing.T) {
	root, _ := newRoot(host(streams{nil, io.Discard, io.Discard}))
	for name := range flagCompletions {
		if !slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Flags().Lookup(name) != nil }) {
			t.Errorf("no command has --%s", name)
		}
	}
}

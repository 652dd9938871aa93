//go:build man

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// The command man writes the man pages. Releases do not contain it, because its dependencies would
// be a third of the binary.
func init() { commands = append(commands, newMan) }

func newMan(environment) (*cobra.Command, action) {
	cmd := &cobra.Command{Use: "man DIRECTORY", Short: "write the man pages", Hidden: true}
	return cmd, func(_ context.Context, args []string) (int, error) {
		if len(args) != 1 {
			return 0, errors.New("man: takes one directory")
		}
		root := cmd.Root()
		root.DisableAutoGenTag = true
		root.Long += "\n\nThe commands are:\n" // in Markdown
		for _, c := range root.Commands() {
			if c.IsAvailableCommand() {
				root.Long += fmt.Sprintf("\n    %-12s %s", c.Name(), c.Short)
			}
		}
		return exitClean, doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "kafkavet " + toolVersion(), Manual: "kafkavet"}, args[0])
	}
}

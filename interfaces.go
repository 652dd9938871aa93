package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/capture"
)

func newInterfaces(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:               "interfaces",
		Short:             "the interfaces that sniff can watch",
		Long:              "The interfaces that sniff can watch: name, state (up, no carrier, down), addresses.",
		Example:           "  kafkavet interfaces",
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              noArguments,
	}
	return cmd, func(context.Context, []string) (int, error) {
		list, err := capture.Devices()
		if err != nil {
			return 0, err
		}
		return exitClean, writeError("standard output", listDevices(e.out, list))
	}
}

func listDevices(w io.Writer, list []capture.Device) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	// Errors come from w, and Flush returns the first one.
	_, _ = fmt.Fprintln(table, "name\tstate\taddresses")
	for _, d := range list {
		addresses := d.AddressList()
		if d.Description != "" {
			addresses += "  (" + d.Description + ")"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", d.Name, d.State(), addresses)
	}
	_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", capture.AnyInterface, "up", "all of them, on Linux")
	return table.Flush()
}

package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/kafkavet/kafkavet/capture"
)

// interfaces is the command of that name.
func interfaces(_ context.Context, args []string, s streams) int {
	f := flagSet("interfaces", "", "The interfaces that sniff can watch: name, state (up, no carrier, down), addresses.", s)
	if code, done := parse(f, args, s); done {
		return code
	}
	if f.NArg() > 0 {
		s.complain("interfaces: takes no arguments")
		return exitTrouble
	}
	list, err := capture.Devices()
	if err != nil {
		s.complain("%v", err)
		return exitTrouble
	}
	if err := listDevices(s.out, list); err != nil {
		s.complain("write: %v", err)
		return exitTrouble
	}
	return exitClean
}

// listDevices writes a table of interfaces, and "any".
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

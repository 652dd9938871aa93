package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report/write"
)

func newWireshark(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:   "wireshark",
		Short: "the Lua script that shows verdicts in Wireshark and tshark",
		Long: "Print a Lua script for Wireshark and tshark. It adds to each Kafka request what was advertised, the verdict and\n" +
			"the finding, colors what is outside, and has the filter kafkavet.verdict == \"above-max\". It computes them from\n" +
			"Wireshark's own fields, for versions only; the script says more.\n\n" +
			"To capture with kafkavet from Wireshark's own list of interfaces, link the program into the folder \"Personal\n" +
			"Extcap path\" (Help, About Wireshark, Folders). Findings are then comments on their packets.",
		Example: "  kafkavet wireshark > ~/.local/lib/wireshark/plugins/kafkavet.lua\n" +
			"  kafkavet wireshark > kafkavet.lua\n" +
			"  tshark -X lua_script:kafkavet.lua -r broker.pcap -Y 'kafkavet.verdict == \"above-max\"'\n" +
			"  ln -s \"$(command -v kafkavet)\" ~/.config/wireshark/extcap/",
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              noArguments,
	}
	return cmd, func(context.Context, []string) (int, error) {
		_, err := io.WriteString(e.out, write.WiresharkScript)
		return exitClean, writeError("standard output", err)
	}
}

// extcapPrefix is the prefix of the interface names that Wireshark shows.
const extcapPrefix = "kafkavet-"

// extcapOptions are the arguments that Wireshark passes to an extcap program
// (https://www.wireshark.org/docs/wsdg_html_chunked/ChCaptureExtcap.html).
type extcapOptions struct {
	interfaces, dlts, config, capture    bool
	version, iface, fifo, filter, reload string
	// ports and keyLog are the settings of extcapConfig.
	ports, keyLog string
}

// extcapConfig declares the settings that Wireshark shows for an interface.
const extcapConfig = "arg {number=0}{call=--port}{display=Only these ports}{type=string}{tooltip=a list, for example 9092,9093; empty for all}\n" +
	"arg {number=1}{call=--tls-keylog}{display=TLS key log}{type=fileselect}{mustexist=true}\n"

// isExtcap reports whether Wireshark calls. Its arguments name no command.
func isExtcap(args []string) bool {
	return len(args) > 0 && (strings.HasPrefix(args[0], "--extcap-") || args[0] == "--capture" || strings.HasPrefix(args[0], "--fifo"))
}

// extcap answers one call of Wireshark and returns the exit code.
func extcap(ctx context.Context, e environment, args []string) (int, error) {
	var o extcapOptions
	f := pflag.NewFlagSet("extcap", pflag.ContinueOnError)
	f.BoolVar(&o.interfaces, "extcap-interfaces", false, "")
	f.BoolVar(&o.dlts, "extcap-dlts", false, "")
	f.BoolVar(&o.config, "extcap-config", false, "")
	f.BoolVar(&o.capture, "capture", false, "")
	f.StringVar(&o.version, "extcap-version", "", "")
	f.StringVar(&o.iface, "extcap-interface", "", "")
	f.StringVar(&o.filter, "extcap-capture-filter", "", "")
	f.StringVar(&o.reload, "extcap-reload-option", "", "")
	f.StringVar(&o.fifo, "fifo", "", "")
	f.StringVar(&o.ports, "port", "", "")
	f.StringVar(&o.keyLog, "tls-keylog", "", "")
	if err := f.Parse(args); err != nil {
		return 0, fmt.Errorf("extcap: %w", err)
	}
	iface := strings.TrimPrefix(o.iface, extcapPrefix)
	text := ""
	switch {
	case o.interfaces:
		list, err := capture.Devices()
		if err != nil {
			return 0, err
		}
		text = fmt.Sprintf("extcap {version=%s}{help=https://github.com/kafkavet/kafkavet}\n", toolVersion())
		for _, d := range append([]capture.Device{{Name: capture.AnyInterface}}, list...) {
			text += fmt.Sprintf("interface {value=%s%s}{display=kafkavet: %s}\n", extcapPrefix, d.Name, d.Name)
		}
	case iface == "":
		return 0, errors.New("extcap: no --extcap-interface given")
	case o.dlts: // the saved file has the link types of its packets
		text = "dlt {number=1}{name=EN10MB}{display=as captured}\n"
	case o.config:
		text = extcapConfig
	case o.filter != "": // to validate it, or to capture with it
		return 0, errors.New("extcap: capture filters are not supported; give the ports in the interface's settings")
	case o.capture && o.fifo != "":
		e.out = io.Discard // Wireshark does not read it
		return e.run(ctx, o.sniff(iface)), nil
	default:
		return 0, errors.New("extcap: nothing is asked for")
	}
	_, err := io.WriteString(e.out, text)
	return exitClean, err
}

func (o *extcapOptions) sniff(iface string) []string {
	args := []string{"sniff", "-q", "-i", iface, "-w", o.fifo, "--comments", "--interval", minInterval.String(), "--fail-on", "never"}
	if o.ports != "" {
		args = append(args, "--port", o.ports)
	}
	if o.keyLog != "" {
		args = append(args, "--tls-keylog", o.keyLog)
	}
	return args
}

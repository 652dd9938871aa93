package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/write"
)

func newCompletion(e environment) (*cobra.Command, action) {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	cmd := &cobra.Command{
		Use:   "completion SHELL",
		Short: "the script that completes commands, flags and values in a shell",
		Long: "Print the script that completes commands, flags and values in bash, zsh, fish or powershell.\n" +
			"bash needs the package bash-completion.",
		Example: "  kafkavet completion bash > /etc/bash_completion.d/kafkavet\n" +
			"  kafkavet completion zsh > \"${fpath[1]}/_kafkavet\"\n" +
			"  kafkavet completion fish > ~/.config/fish/completions/kafkavet.fish\n" +
			"  kafkavet completion powershell | Out-String | Invoke-Expression",
		ValidArgs: shells,
	}
	return cmd, func(_ context.Context, args []string) (int, error) {
		if len(args) != 1 {
			return 0, errors.New("completion: takes one shell: " + strings.Join(shells, ", "))
		}
		root := cmd.Root()
		switch args[0] {
		case "bash":
			return exitClean, root.GenBashCompletionV2(e.out, true)
		case "zsh":
			return exitClean, root.GenZshCompletion(e.out)
		case "fish":
			return exitClean, root.GenFishCompletion(e.out, true)
		case "powershell":
			return exitClean, root.GenPowerShellCompletionWithDesc(e.out)
		}
		return 0, oneOf("completion", args[0], shells)
	}
}

var flagCompletions = map[string]cobra.CompletionFunc{
	"advertised": completeReleases,
	"api":        completeWords(apiNames),
	"color":      completeWords(func() []string { return colors }),
	"fail-on":    completeWords(func() []string { return severities }),
	"format":     completeFormats,
	"gate":       completeWords(func() []string { return []string{"1d", "7d", "30d"} }),
	"interface":  completeInterfaces,
	"outcome":    completeWords(decode.OutcomeNames),
	"target":     completeReleases,
	"verdict":    completeWords(decode.VerdictNames),
}

// addCompletions adds flagCompletions to all commands. cobra keeps them for the life of the
// process, so only a request of a shell adds them.
func addCompletions(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if complete := flagCompletions[f.Name]; complete != nil {
				_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // fails only if it exists already
			}
		})
	}
}

func completeWords(words func() []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words(), cobra.ShellCompDirectiveNoFileComp
	}
}

func completeFormats(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	o := outputOptions{formats: write.Formats()}
	if cmd.Name() == "requests" {
		o.formats = write.RequestFormats()
	}
	return o.names(), cobra.ShellCompDirectiveNoFileComp
}

func completeCodes(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var codes []string
	for _, r := range report.Rules() {
		codes = append(codes, cobra.CompletionWithDesc(r.Code, r.Title))
	}
	return codes, cobra.ShellCompDirectiveNoFileComp
}

func completeInterfaces(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names := []string{cobra.CompletionWithDesc(capture.AnyInterface, "all of them")}
	devices, err := capture.Devices()
	if err != nil {
		cobra.CompErrorln(err.Error())
	}
	for _, d := range devices {
		names = append(names, cobra.CompletionWithDesc(d.Name, d.AddressList()))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func completeReleases(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	names := []string{"list"}
	for _, t := range decode.Tables() {
		names = append(names, t.Name())
	}
	names = append(names, decode.VendorNames()...)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, begun) })
	return names, cobra.ShellCompDirectiveDefault
}

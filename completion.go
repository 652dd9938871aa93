package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report"
)

// newCompletion makes the command completion.
func newCompletion(e environment) (*cobra.Command, action) {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	cmd := &cobra.Command{
		Use:   "completion SHELL",
		Short: "the script that completes commands, flags and values in a shell",
		Long:  "Print the script that completes commands, flags and values in bash, zsh, fish or powershell.",
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

// complete has a flag's value completed by a function. The flag is one of cmd's.
func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // the command has no such flag
	}
}

// completeWords has a flag's value completed with words.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	complete(cmd, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completeCodes completes the codes of findings.
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

// completeInterfaces completes the interfaces of this host.
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

// completeReleases completes releases of Kafka, and files.
func completeReleases(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	names := []string{"list"}
	for _, t := range decode.Tables() {
		names = append(names, t.Name())
	}
	names = append(names, decode.VendorNames()...)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, begun) })
	return names, cobra.ShellCompDirectiveDefault
}

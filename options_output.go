package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kafkavet/kafkavet/report/write"
)

// outputOptions configure the outputs and their formats.
type outputOptions struct {
	format string
	texts  []string
	mode   string
	// formats are the formats of the command, the default first.
	formats []write.Format
	// isLive: --format also applies to the live output.
	isLive bool
	// isSingle: -o can be given once.
	isSingle bool
	// outputs are filled by resolve.
	outputs []outputOption
	flags   *pflag.FlagSet
}

type outputOption struct {
	format *write.Format
	// path is empty for standard output.
	path string
}

func (o *outputOptions) register(cmd *cobra.Command) {
	names := o.names()
	o.flags = cmd.Flags()
	o.flags.StringVar(&o.format, "format", names[0], "the `FORMAT` of the output: "+strings.Join(names, ", "))
	repeated := "; may be repeated"
	if o.isSingle {
		repeated = ""
	}
	o.flags.StringArrayVarP(&o.texts, "output", "o", nil, "write to `[FORMAT:]FILE` instead of standard output, which is -"+repeated+".\n"+
		"Without FORMAT the name decides (.html, .json, ...), or else --format")
	o.flags.StringVar(&o.mode, "output-mode", "0600", "the permissions `MODE` (octal) of written files")
}

func (o *outputOptions) names() (names []string) {
	for _, f := range o.formats {
		names = append(names, f.Name)
	}
	return names
}

func (o *outputOptions) resolve() error {
	if _, err := o.fileMode(); err != nil {
		return err
	}
	if err := oneOf("--format", o.format, o.names()); err != nil {
		return err
	}
	if o.isSingle && len(o.texts) > 1 {
		return fmt.Errorf("--output: %w", errRepeated)
	}
	o.outputs = nil
	format := o.find(o.format)
	if len(o.texts) == 0 {
		o.outputs = []outputOption{{format: format}}
	}
	// Text and events are also formats of the live output.
	isUsed := len(o.texts) == 0 || o.isLive && (o.format == o.formats[0].Name || format.HasEvents)
	for _, text := range o.texts {
		out, err := o.parse(text)
		if err != nil {
			return err
		}
		if out.path == "" && slices.ContainsFunc(o.outputs, func(other outputOption) bool { return other.path == "" }) {
			return fmt.Errorf("--output %s: standard output is named twice", text)
		}
		isUsed = isUsed || out.format == format
		o.outputs = append(o.outputs, out)
	}
	if f := o.onStdout(); o.isLive && f != nil && len(o.texts) > 0 && format.HasEvents && f != format {
		return fmt.Errorf("--output: standard output is used for the events of --format %s", o.format)
	}
	if o.flags.Changed("format") && !isUsed {
		return fmt.Errorf("--format %s: has no effect, because --output %s has the format %s; write %s as --output %s:FILE",
			o.format, o.texts[0], o.outputs[0].format.Name, o.format, o.format)
	}
	return nil
}

// stamp replaces %s in the names of outputs by the seconds from 1970 to now.
func (o *outputOptions) stamp(now time.Time) {
	for i := range o.outputs {
		out := &o.outputs[i]
		out.path = strings.ReplaceAll(out.path, "%s", strconv.FormatInt(now.Unix(), 10))
	}
}

// parse reads one value of -o. A prefix before a colon selects the format. Otherwise the file name
// extension selects it, otherwise --format.
func (o *outputOptions) parse(text string) (out outputOption, err error) {
	prefix, path, found := strings.Cut(text, ":")
	switch out.format = o.find(prefix); {
	case found && out.format != nil:
		out.path = path
	case found && looksLikeFormat(prefix):
		return out, fmt.Errorf("--output %s: %s: must be one of %s; a file with this name is ./%s", text, prefix, strings.Join(o.names(), ", "), text)
	default:
		extension := strings.ToLower(filepath.Ext(text))
		out = outputOption{path: text, format: first(o.formats, func(f write.Format) bool { return slices.Contains(f.Extensions, extension) })}
		if out.format == nil {
			if isOtherFormat(extension) && !o.flags.Changed("format") {
				return out, fmt.Errorf("--output %s: this command does not write %s; its formats are %s; choose one with --format, or here: --output %s:%s",
					text, extension, strings.Join(o.names(), ", "), o.format, text)
			}
			out.format = o.find(o.format)
		}
	}
	if out.path == "" {
		return out, fmt.Errorf("--output %q: no file is named", text)
	}
	if out.path == "-" {
		out.path = ""
	}
	return out, nil
}

// looksLikeFormat reports whether a prefix has only letters, and more than a drive of Windows.
func looksLikeFormat(prefix string) bool {
	return len(prefix) > 1 && !strings.ContainsFunc(prefix, func(r rune) bool { return !unicode.IsLetter(r) })
}

// foreignExtensions are those of formats that no command writes.
var foreignExtensions = []string{".yaml", ".yml", ".pdf", ".xlsx", ".docx"}

// isOtherFormat reports whether a file name extension is that of a format of any command, or of
// none.
func isOtherFormat(extension string) bool {
	return slices.Contains(foreignExtensions, extension) ||
		slices.ContainsFunc(slices.Concat(write.Formats(), write.RequestFormats()), func(f write.Format) bool { return slices.Contains(f.Extensions, extension) })
}

// find returns the format of the command with a name; nil for none.
func (o *outputOptions) find(name string) *write.Format {
	return first(o.formats, func(f write.Format) bool { return f.Name == name })
}

// first returns the first element that fits; nil for none.
func first[T any](list []T, fits func(T) bool) *T {
	if i := slices.IndexFunc(list, fits); i >= 0 {
		return &list[i]
	}
	return nil
}

// onStdout returns the format of standard output; nil if it is no output.
func (o *outputOptions) onStdout() *write.Format {
	if out := first(o.outputs, func(out outputOption) bool { return out.path == "" }); out != nil {
		return out.format
	}
	return nil
}

func (o *outputOptions) files() (files []namedFile) {
	for _, out := range o.outputs {
		files = append(files, namedFile{"--output", out.path})
	}
	return files
}

func (o *outputOptions) fileMode() (fs.FileMode, error) {
	n, err := strconv.ParseUint(o.mode, 8, 32)
	if err != nil || n&^0o777 != 0 {
		return 0, fmt.Errorf("--output-mode %q: must be octal, from 0 to 0777", o.mode)
	}
	return fs.FileMode(n), nil
}

func (o *outputOptions) has(name string) bool {
	return slices.ContainsFunc(o.outputs, func(out outputOption) bool { return out.format.Name == name })
}

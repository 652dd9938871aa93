package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/reporttest"
	"github.com/kafkavet/kafkavet/report/write"
)

// TestGoldenDocuments compares docs/findings.md and the README with the current output.
func TestGoldenDocuments(t *testing.T) {
	var page bytes.Buffer
	if err := write.RulesMarkdown(&page, report.Rules()); err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "docs/findings.md", page.Bytes())
	reporttest.Golden(t, "README.md", printed(t, readFile(t, "README.md")))
}

// part is a printed part of the README: it is between "<!-- printed by COMMAND -->" and "<!-- end
// -->". With ", paragraph: WORDS" after the command, it is only the paragraph of the output that
// begins with these words.
var part = regexp.MustCompile(`(?s)(<!-- printed by (kafkavet [^\n]*?)(?:, paragraph: ([^\n]*))? -->\n).*?(<!-- end -->\n)`)

// printed returns the README with the current output in all printed parts.
func printed(t *testing.T, readme string) []byte {
	n := 0
	out := part.ReplaceAllStringFunc(readme, func(old string) string {
		n++
		m := part.FindStringSubmatch(old)
		return m[1] + "\n" + printedPart(t, m[2], m[3]) + "\n" + m[4]
	})
	if want := strings.Count(readme, "<!-- end -->"); n != want || n == 0 {
		t.Fatalf("README.md: %d parts that are printed, %d ends", n, want)
	}
	return []byte(out)
}

// linkToRule is the code of a finding that links to its section.
var linkToRule = regexp.MustCompile(`\[(KV[0-9]+)\]\([^)]*\)`)

// printedPart returns the output of a command, indented as code, or the table of findings.
func printedPart(t *testing.T, command, paragraph string) string {
	if command == "kafkavet explain" {
		_, page, _ := strings.Cut(readFile(t, "docs/findings.md"), "\n| code ")
		table, _, found := strings.Cut(page, "\n\n")
		if !found {
			t.Fatal("docs/findings.md has no table")
		}
		return "| code " + linkToRule.ReplaceAllString(table, "$1") + "\n"
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), strings.Fields(command)[1:], streams{strings.NewReader(""), &stdout, &stderr}); code == exitTrouble {
		t.Fatalf("%s: %s", command, stderr.String())
	}
	text := strings.TrimSpace(stdout.String())
	if paragraph != "" {
		paragraphs := strings.Split(text, "\n\n")
		i := slices.IndexFunc(paragraphs, func(p string) bool { return strings.HasPrefix(p, paragraph) })
		if i < 0 {
			t.Fatalf("%s: no paragraph begins with %q", command, paragraph)
		}
		text = paragraphs[i]
	}
	var b strings.Builder
	for line := range strings.Lines(text + "\n") {
		if line != "\n" {
			line = "    " + line
		}
		b.WriteString(line)
	}
	return b.String()
}

// notRun maps commands of the manual that no test runs to the reason, by their beginning.
var notRun = map[string]string{
	"go install ":    "needs the published module",
	"go build":       "the tests build the program",
	"go test":        "it would run itself",
	"sudo setcap":    "needs root",
	"sudo install":   "needs root",
	"editcap":        "part of Wireshark",
	"tcpdump":        "needs root; what it writes stands in for it",
	"ssh":            "needs another host; a capture stands in for it",
	"sudo apt":       "CI installs the package of a release",
	"sudo dnf":       "CI reads the package of a release",
	"brew":           "needs Homebrew",
	"podman load":    "CI loads the image of a release",
	"sudo systemctl": "needs systemd; CI checks the unit",
	"spark-submit":   "CI runs it on a local cluster",
	"helm":           "needs a cluster; a test in testdata/chart renders the chart",
}

// TestCommandsOfTheManual runs every command of the README and the pages behind it in a directory with the files that it
// names. For commands that need root, it checks the flags.
func TestCommandsOfTheManual(t *testing.T) {
	dir := t.TempDir()
	for name, from := range map[string]string{
		"kafka.pcap": "confluent-go-2.6.0_fetch-max-7.pcap", "broker-1.pcap": "rotated-1.pcap", "broker-2.pcap": "rotated-2.pcap",
		"tls.pcap": "lab_confluent-go-2.6.0_kafka-2.6.1_tls.pcap", "keys.log": "lab_confluent-go-2.6.0_kafka-2.6.1_tls.keys",
	} {
		data := readFile(t, filepath.Join("testdata/captures", from))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands := manualCommands(t)
	if len(commands) < 20 {
		t.Fatalf("%d commands in the manual", len(commands))
	}
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Symlink(filepath.Join(root, "testdata"), "testdata"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir("reports", 0o700), os.WriteFile("secret.txt", []byte("a secret of yours\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	checkCommand(t, "kafkavet analyze --target kafka-4.0 --format json -o reports/host-1.json kafka.pcap")
	checkCommand(t, "kafkavet analyze --evidence evidence.pcapng kafka.pcap")
	for _, line := range commands {
		for command := range strings.SplitSeq(line, "|") {
			checkCommand(t, strings.TrimSpace(command))
		}
	}
}

// TestJobOfTheReadme: the job can be copied. manualCommands includes its commands.
func TestJobOfTheReadme(t *testing.T) {
	text := strings.ReplaceAll(readFile(t, "README.md"), "\n    ", "\n")
	_, text, _ = strings.Cut(text, "\njobs:\n")
	text, _, _ = strings.Cut(text, "\n\n")
	var jobs map[string]struct {
		RunsOn string `yaml:"runs-on"`
		Steps  []struct{ Uses, Run, If string }
	}
	if err := yaml.Unmarshal([]byte(text), &jobs); err != nil {
		t.Fatal(err)
	}
	commands := manualCommands(t)
	for _, job := range jobs {
		for _, step := range job.Steps {
			if (step.Uses == "") == (step.Run == "") || step.Run != "" && !slices.Contains(commands, step.Run) {
				t.Errorf("step %+v: not one action, or one checked command", step)
			}
		}
	}
	if job := jobs["integration"]; len(job.Steps) != 5 || job.RunsOn == "" {
		t.Errorf("%+v", jobs)
	}
}

// manual is the README and the pages behind it that have commands for users.
var manual = []string{"README.md", "docs/fleet.md", "docs/processes.md"}

// manualCommands returns the lines of the manual that a reader types: indented code outside the
// printed parts, without comments.
func manualCommands(t *testing.T) (commands []string) {
	isCommand := regexp.MustCompile(`^ {4,}(?:- run: )?((?:sudo (?:-E (?:env "PATH=\$PATH" )?)?)?(?:install|kafkavet|go|tcpdump|ssh|editcap|setcap|apt|dnf|brew|podman|systemctl|helm|spark-submit) .*)`)
	for _, name := range manual {
		for line := range strings.Lines(part.ReplaceAllString(readFile(t, name), "")) {
			line, _, _ = strings.Cut(strings.TrimRight(line, "\n"), "  #")
			if m := isCommand.FindStringSubmatch(line); m != nil {
				commands = append(commands, strings.TrimSpace(m[1]))
			} else if code, ok := strings.CutPrefix(line, "    "); ok && regexp.MustCompile(`\bkafkavet `).MatchString(code) {
				t.Errorf("%s: is this a command? %s", name, code)
			}
		}
	}
	return commands
}

// checkCommand runs one command of the manual, or checks its flags if it cannot run.
func checkCommand(t *testing.T, command string) {
	words := shellWords(command)
	if i := slices.Index(words, "IMAGE"); i >= 0 {
		words = append([]string{"kafkavet"}, words[i+1:]...)
	}
	for len(words) > 0 && slices.Contains([]string{"sudo", "-E", "env", `"PATH=$PATH"`}, words[0]) {
		words = words[1:]
	}
	if len(words) > 2 && slices.Equal(words[:3], []string{"go", "run", "."}) {
		words = append([]string{"kafkavet"}, words[3:]...)
	}
	switch {
	case words[0] != "kafkavet":
		for prefix := range notRun {
			if strings.HasPrefix(command, prefix) {
				return
			}
		}
		t.Errorf("%s: add what it needs to this test, or a reason to notRun", command)
	case len(words) > 1 && (words[1] == "sniff" || words[1] == "run"):
		root, _ := newRoot(environment{})
		cmd, args, err := root.Find(words[1:])
		if err == nil {
			err = cmd.ParseFlags(args)
		}
		if err != nil {
			t.Errorf("%s: %v", command, err)
		}
	default:
		stdin, err := os.Open("kafka.pcap")
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		var stdout, stderr bytes.Buffer
		if code := run(context.Background(), words[1:], streams{stdin, &stdout, &stderr}); code == exitTrouble {
			t.Errorf("%s: exit code %d: %s", command, code, stderr.String())
		}
	}
}

// shellWords splits a command as a shell does, with single quotes and without redirections.
func shellWords(command string) (words []string) {
	command, _, _ = strings.Cut(command, " > ")
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(command, -1) {
		if files, _ := filepath.Glob(m[2]); strings.Contains(m[2], "*") && len(files) > 0 {
			words = append(words, files...)
			continue
		}
		words = append(words, m[1]+m[2])
	}
	return words
}

// TestTargetsOfDocumentsExist guards against a make target in a document that the Makefile lacks.
func TestTargetsOfDocumentsExist(t *testing.T) {
	makefile, n := readFile(t, "Makefile"), 0
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "docs/performance.md", "testdata/README.md"} {
		for _, m := range regexp.MustCompile("(?:`|\n    )make ([a-z-]+)").FindAllStringSubmatch(readFile(t, name), -1) {
			if n++; !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s: make %s: the Makefile has no such target", name, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("%d make targets in the documents", n)
	}
}

// TestEveryDependencyHasAReason guards against a module in go.mod without a reason in the README,
// and against a reason for a removed module.
func TestEveryDependencyHasAReason(t *testing.T) {
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(readFile(t, "go.mod"), -1) {
		want = append(want, m[1])
	}
	section := section(t, "README.md", "## Dependencies")
	var got []string
	for _, m := range regexp.MustCompile("(?m)^- `([^`]+)`: .").FindAllStringSubmatch(section, -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dependencies of the README (-go.mod +README):\n%s", diff)
	}
}

// TestFormatsAndCommandsAreDocumented guards against one that the README does not name.
func TestFormatsAndCommandsAreDocumented(t *testing.T) {
	formats := section(t, "README.md", "## Formats")
	for _, f := range write.Formats() {
		if !strings.Contains(formats, "| `"+f.Name+"` |") {
			t.Errorf("README.md, Formats: %s is missing", f.Name)
		}
	}
	for _, f := range write.RequestFormats() {
		if !strings.Contains(formats, "`"+f.Name+"`") {
			t.Errorf("README.md, Formats: %s is missing", f.Name)
		}
	}
	root, _ := newRoot(environment{})
	readme := readFile(t, "README.md")
	for _, cmd := range root.Commands() {
		if !strings.Contains(readme, "kafkavet "+cmd.Name()) {
			t.Errorf("README.md: kafkavet %s is missing", cmd.Name())
		}
	}
}

// TestEveryCaptureIsDescribed guards against a capture without a description in
// testdata/README.md: what made it and what it must yield. It also guards against a description
// that differs from the findings.
func TestEveryCaptureIsDescribed(t *testing.T) {
	rows := map[string][]string{}
	for line := range strings.Lines(readFile(t, "testdata/README.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if m := regexp.MustCompile("^ ?`([^`]+)`$").FindStringSubmatch(cells[0]); m != nil && len(cells) > 3 {
			rows[m[1]] = cells
		}
	}
	captures, err := filepath.Glob("testdata/captures/*.pcap*")
	if err != nil || len(captures) < 100 {
		t.Fatalf("%d captures, %v", len(captures), err)
	}
	for _, capture := range captures {
		name := strings.TrimSuffix(filepath.Base(capture), filepath.Ext(capture))
		cells := rows[name]
		if numbered := regexp.MustCompile(`^(.*)-\d$`).FindStringSubmatch(name); cells == nil && numbered != nil && rows[numbered[1]] != nil {
			continue // a part of a capture in several files
		}
		if len(cells) < 4 || strings.TrimSpace(cells[1]) == "" || strings.TrimSpace(cells[len(cells)-1]) == "" {
			t.Errorf("testdata/README.md: %s: no row, or one that lacks what made it or what it must yield", name)
			continue
		}
		yields := cells[len(cells)-1]
		found := readFile(t, filepath.Join("testdata/golden", name+".txt"))
		for _, code := range mustYield(yields) {
			if !strings.Contains(found, code+" ") {
				t.Errorf("testdata/README.md: %s: must yield %s, and does not: %q", name, code, yields)
			}
		}
	}
	for name := range rows {
		if matches, _ := filepath.Glob("testdata/captures/" + name + "*.pcap*"); len(matches) == 0 {
			t.Errorf("testdata/README.md: %s: no such capture", name)
		}
	}
}

// mustYield returns the codes that a description requires: in clauses without "no" or "at most".
func mustYield(description string) (codes []string) {
	for _, clause := range regexp.MustCompile(`[;,.]`).Split(description, -1) {
		if regexp.MustCompile(`\b(no|without|alone|at most)\b`).MatchString(clause) {
			continue
		}
		codes = append(codes, regexp.MustCompile(`KV\d{4}`).FindAllString(clause, -1)...)
	}
	return codes
}

// TestLayoutIsDocumented compares the table of packages in CONTRIBUTING.md with the imports.
func TestLayoutIsDocumented(t *testing.T) {
	const module = "github.com/kafkavet/kafkavet/"
	text := section(t, "CONTRIBUTING.md", "## How the code is laid out")
	for _, name := range packages(t) {
		files, err := filepath.Glob(filepath.Join(name, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		imports := map[string]bool{}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				if path, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module); ok {
					imports[path] = true
				}
			}
		}
		want := "-"
		if len(imports) > 0 {
			want = "`" + strings.Join(slices.Sorted(maps.Keys(imports)), "`, `") + "`"
		}
		if name == "." {
			name = "main"
		}
		if row := regexp.MustCompile("(?m)^\\| `" + name + "` \\|[^|]+\\| (.*) \\|$").FindStringSubmatch(text); row == nil || row[1] != want {
			t.Errorf("CONTRIBUTING.md: %s: has %q, want its imports %s", name, row, want)
		}
	}
}

// packages returns the directories of all packages of the module, except packages of testdata and
// packages only for tests.
func packages(t *testing.T) (names []string) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return err
		case d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "reporttest":
			return fs.SkipDir
		}
		if files, _ := filepath.Glob(filepath.Join(path, "*.go")); len(files) > 0 {
			names = append(names, path)
		}
		return nil
	})
	if err != nil || len(names) < 10 {
		t.Fatalf("%d packages, %v", len(names), err)
	}
	return names
}

func section(t *testing.T, name, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(readFile(t, name), "\n"+heading+"\n")
	if !ok {
		t.Fatal(fmt.Errorf("%s: no section %q", name, heading))
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

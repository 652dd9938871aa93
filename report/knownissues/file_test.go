package knownissues

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// issueText returns a user's file with one issue and further lines of it.
func issueText(id string, lines ...string) string {
	return "issues:\n  - id: " + id + "\n    title: A title\n    url: https://example.org/1\n    source: seen\n    " +
		strings.Join(lines, "\n    ") + "\n"
}

// writeIssues writes a file and returns its path.
func writeIssues(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExampleOfAnEntry: the example at the beginning of the file is a complete entry.
func TestExampleOfAnEntry(t *testing.T) {
	_, text, _ := strings.Cut(string(builtInIssues), "#\n#   - id:")
	text, _, _ = strings.Cut(text, "#\n# The fields")
	path := writeIssues(t, "example.yaml", strings.ReplaceAll("issues:\n#   - id:"+text, "#   ", "  "))
	if _, err := Load(isCode, path); err != nil {
		t.Error(err)
	}
}

func TestErrorsNameFileLineAndField(t *testing.T) {
	const codes = "codes: [KV1001]"
	for name, test := range map[string]struct{ text, want string }{
		"unknown field":            {issueText("a", codes, "tytle: x"), `line 7: tytle: there is no such field`},
		"unknown field of client":  {issueText("a", codes, "clients: [{nam: x}]"), `line 7: nam: there is no such field`},
		"unknown field of file":    {"issuse: []\n", `line 1: issuse: there is no such field`},
		"duplicate field":          {issueText("a", codes, "title: x"), `line 7: mapping key "title" already defined at [3:5]`},
		"no YAML":                  {"issues: [", `line 1: sequence end token ']' not found`},
		"tab":                      {"issues:\n\t- id: a\n", `line 2: found character '\t' that cannot start any token`},
		"nothing":                  {"", `line 1: issues: is missing`},
		"comment only":             {"# nothing\n", `line 1: issues: is missing`},
		"a list":                   {"- id: a\n", `line 1: sequence was used where mapping is expected`},
		"issues is a text":         {"issues: a\n", `line 1: string was used where sequence is expected`},
		"two documents":            {issueText("a", codes) + "---\nissues: []\n", `line 7: "---": the file is one document without document marks`},
		"anchor":                   {issueText("a", "codes: &c [KV1001]"), `line 6: "&": anchors, aliases, tags, directives and ? keys are not used in this file`},
		"tag":                      {issueText("a", "codes: !!set [KV1001]"), `line 6: "!!set": anchors, aliases, tags, directives and ? keys are not used in this file`},
		"id in capitals":           {issueText("A", codes), `line 2: issues[0].id: "A" is not of 1 to 64 lower-case letters, digits, dots and hyphens`},
		"id too long":              {issueText(strings.Repeat("a", 65), codes), `lower-case letters, digits, dots and hyphens`},
		"no id":                    {"issues:\n  - title: x\n", `line 1: issues[0].id: "" is not of`},
		"no title":                 {"issues:\n  - id: a\n    url: http://x\n", `line 2: issues[0].title: is missing`},
		"empty title":              {"issues:\n  - id: a\n    title:\n", `line 2: issues[0].title: is missing`},
		"title is a list":          {"issues:\n  - id: a\n    title: [x]\n", `line 3: issues[0].title: is no text`},
		"title too long":           {"issues:\n  - id: a\n    title: " + strings.Repeat("x", 2001) + "\n", `line 3: issues[0].title: has 2001 bytes, not 1 to 2000`},
		"terminal escape":          {"issues:\n  - id: a\n    title: \"\\e[2J\"\n", `line 3: issues[0].title: holds a control character or a line break`},
		"line break":               {"issues:\n  - id: a\n    title: |\n      a\n      b\n", `issues[0].title: holds a control character or a line break`},
		"bad UTF-8":                {"issues:\n  - id: a\n    title: a\xffb\n", `line 3: issues[0].title: holds a control character or a line break`},
		"no source":                {"issues:\n  - {id: a, title: t, url: \"https://x\"}\n", `line 2: issues[0].source: is missing`},
		"no codes":                 {issueText("a", "pattern: true"), `line 2: issues[0].codes: is missing`},
		"a code of no rule":        {issueText("a", "codes: [KV1999]"), `line 6: issues[0].codes[0]: "KV1999" is no finding code like KV1001`},
		"no such code":             {issueText("a", "codes: [KV1001, KV12]"), `line 6: issues[0].codes[1]: "KV12" is no finding code like KV1001`},
		"codes is a text":          {issueText("a", "codes: KV1001"), `line 6: string was used where sequence is expected`},
		"nobody":                   {issueText("a", codes), `line 2: issues[0].clients: is missing, and so are server_names and pattern: nothing says who has the bug`},
		"client without a name":    {issueText("a", codes, "clients: [{versions: \"1\"}]"), `issues[0].clients[0]: has neither name nor client_ids`},
		"constraint":               {issueText("a", codes, "clients:", "  - {name: x}", "  - {name: x, versions: \"<<2\"}"), `line 9: issues[0].clients[1].versions: "<<2" is no version constraint like ">=2.1.3, <2.2.1"`},
		"level":                    {issueText("a", codes, "clients: [{name: x, at_most: sure}]"), `line 7: issues[0].clients[0].at_most: "sure" is none of certain, likely and possible`},
		"wildcards":                {issueText("a", codes, "clients: [{client_ids: [\"a*b*\"]}]"), `line 7: issues[0].clients[0].client_ids[0]: "a*b*" may have one * or one {version}, and must have more than that`},
		"a wildcard for everybody": {issueText("a", codes, "clients: [{client_ids: [\"*\"]}]"), `line 7: issues[0].clients[0].client_ids[0]: "*" may have one * or one {version}, and must have more than that`},
		"pattern":                  {issueText("a", codes, "pattern: yes"), `line 7: issues[0].pattern: "yes" is neither true nor false`},
		"no API":                   {issueText("a", codes, "pattern: true", "sent: [{api: Fetsh, versions: 1}]"), `line 8: issues[0].sent[0].api: "Fetsh" is no API like Fetch`},
		"no versions":              {issueText("a", codes, "pattern: true", "sent: [{api: Fetch}]"), `line 2: issues[0].sent[0]: needs api and versions`},
		"versions reversed":        {issueText("a", codes, "pattern: true", "sent: [{api: Fetch, versions: 3-1}]"), `"3-1" is not of the form 12, 0-2 or 4+`},
		"version too large":        {issueText("a", codes, "pattern: true", "sent: [{api: Fetch, versions: 32768}]"), `"32768" is not of the form 12, 0-2 or 4+`},
		"range":                    {issueText("a", codes, "pattern: true", "range: max << 12"), `line 8: issues[0].range: "max << 12" is not of the form "max < 12" or "min > sent"`},
		"range without an end":     {issueText("a", codes, "pattern: true", "range: maximum < 12"), `line 8: issues[0].range: "maximum < 12" is not of the form`},
		"outcome":                  {issueText("a", codes, "pattern: true", "outcomes: [closed, gone]"), `line 8: issues[0].outcomes[1]: "gone" is no outcome like closed`},
		"url":                      {strings.Replace(issueText("a", codes, "pattern: true"), "https:", "javascript:", 1), `line 4: issues[0].url: "javascript://example.org/1" is no http or https address`},
		"url without a host":       {strings.Replace(issueText("a", codes, "pattern: true"), "https://example.org/1", "https:x", 1), `line 4: issues[0].url: "https:x" is no http or https address`},
		"see":                      {issueText("a", codes, "pattern: true", "see: [nowhere]"), `line 8: issues[0].see[0]: "nowhere" is no http or https address`},
		"no client id":             {issueText("a", codes, "clients: [{client_ids: [~]}]"), `line 2: issues[0].clients[0].client_ids[0]: is empty`},
		"no other version":         {issueText("a", codes, "clients: [{name: x, also: [~]}]"), `line 2: issues[0].clients[0].also[0]: is empty`},
		"no entry":                 {"issues: [~]\n", `line 1: issues[0].id: "" is not of`},
		"default client id":        {"default_client_ids: [\"{version}\"]\n", `line 1: default_client_ids[0]: "{version}" may have one * or one {version}`},
		"second entry":             {issueText("a", codes, "pattern: true") + "  - id: b\n    title: [x]\n", `line 9: issues[1].title: is no text`},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeIssues(t, "mine.yaml", test.text)
			_, err := Load(isCode, path)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), "read known issues "+path+": line ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error has a line break or an escape: %q", err)
			}
		})
	}
}

func TestAnIDUsedTwiceIsAnErrorThatNamesBoth(t *testing.T) {
	item := issueText("mine", "codes: [KV1001]", "pattern: true")
	once := writeIssues(t, "once.yaml", item)
	again := writeIssues(t, "again.yaml", "# moved down\n"+item)
	builtInID := writeIssues(t, "builtin.yaml", issueText("librdkafka-2.6.0-fetch-12", "codes: [KV1001]", "pattern: true"))
	twice := writeIssues(t, "twice.yaml", item+strings.TrimPrefix(item, "issues:\n"))
	for _, test := range []struct {
		paths []string
		want  string
	}{
		{[]string{once, again}, fmt.Sprintf(`read known issues %s: line 3: issues[0].id: "mine" is used already in %s, line 2`, again, once)},
		{[]string{twice}, fmt.Sprintf(`read known issues %s: line 8: issues[1].id: "mine" is used already in %s, line 2`, twice, twice)},
		{[]string{builtInID}, fmt.Sprintf(`read known issues %s: line 2: issues[0].id: "librdkafka-2.6.0-fetch-12" is used already in knownissues.yaml (built in), line `, builtInID)},
	} {
		_, err := Load(isCode, test.paths...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	dir := t.TempDir()
	long := writeIssues(t, "long.yaml", "# "+strings.Repeat("x", maxIssueFile))
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "no such file",
		dir:                             "is a directory",
		long:                            "longer than 1048576 bytes",
	} {
		_, err := Load(isCode, path)
		if err == nil || !strings.HasPrefix(err.Error(), "read known issues "+path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if strings.Count(fmt.Sprint(err), path) != 1 {
			t.Errorf("the file is named more than once: %v", err)
		}
	}
}

func TestTooManyIssuesAreRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("issues:\n")
	for i := range maxIssues + 1 {
		fmt.Fprintf(&b, "  - {id: a%d, title: t, url: \"http://x\", source: s, codes: [KV1001], pattern: true}\n", i)
	}
	_, err := Load(isCode, writeIssues(t, "many.yaml", b.String()))
	if err == nil || !strings.Contains(err.Error(), "line 1002: issues: has 1001 entries, more than 1000") {
		t.Errorf("got %v", err)
	}
}

// The YAML library recurses for each level of nesting, and sometimes takes quadratic time. Without
// checkTokens, 64 KiB of "- " take 8 s, and 1 MiB of "[" ends the process.
func TestHostileFilesEndSoonInAnError(t *testing.T) {
	const size = 128 << 10
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 20; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	var nested strings.Builder
	for i := 0; nested.Len() < 64<<10; i++ {
		fmt.Fprintf(&nested, "%sa:\n", strings.Repeat(" ", i))
	}
	var keys strings.Builder
	for i := 0; keys.Len() < size; i++ {
		fmt.Fprintf(&keys, "a%d: b\n", i)
	}
	for name, text := range map[string]string{
		"alias bomb": bomb.String(), "nested by indentation": nested.String(),
		"[": strings.Repeat("[", size), "{a: ": strings.Repeat("{a: ", size/4), "- ": strings.Repeat("- ", size/2),
		"? ": strings.Repeat("? ", size/2), "a: ": strings.Repeat("a: ", size/3), "&a ": strings.Repeat("&a ", size/3),
		"@": strings.Repeat("@", size), "'": strings.Repeat("'", size+1), "|": strings.Repeat("|", size), "nul": strings.Repeat("\x00", size),
		"same key": strings.Repeat("a: b\n", size/5), "[[[[": "issues:\n" + strings.Repeat("- [[[\n", size/6),
		"- id": "issues:\n" + strings.Repeat("- id: a\n", size/8), "- a": strings.Repeat("- a\n", size/4), "keys": keys.String(),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, err := parseIssues([]byte(text), isCode); err == nil {
				t.Error("no error")
			}
			if took := time.Since(start); took > 10*time.Second { // 0.3 s at most on 2 cores
				t.Errorf("took %v", took)
			}
		})
	}
}

// parseIssues reads and checks a known-issues file.
func parseIssues(data []byte, isCode func(string) bool) (issueFile, error) {
	f, err := parseYAML(data)
	if err == nil {
		err = f.check(isCode)
	}
	return f, err
}

// A seed of the complete built-in file takes go test too long to shrink. So it is damaged here.
func TestDamagedFilesEndInAnErrorOrInIssues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const damage = "[]{}'\"|>-:#&*!?%@\n\t \x00\xff"
	refused := 0
	for range 150 {
		data := slices.Clone(builtInIssues)
		for range 1 + r.IntN(4) {
			data[r.IntN(len(data))] = damage[r.IntN(len(damage))]
		}
		f, err := parseIssues(data[:r.IntN(len(data))], isCode)
		switch {
		case err != nil && !strings.HasPrefix(err.Error(), "line "):
			t.Errorf("error without a line: %v", err)
		case err != nil:
			refused++
		case len(f.Issues)+len(f.DefaultClientIDs) == 0:
			t.Error("neither issues nor an error")
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed")
	}
}

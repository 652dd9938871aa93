package write

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	long := strings.Repeat("x", maxShown)
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"plain", "orders-svc (v1)", "orders-svc (v1)"},
		{"letters of other scripts", "bestellungen-größe-注文", "bestellungen-größe-注文"},
		{"terminal colours", "a\x1b[31mred", `a\x1b[31mred`},
		{"terminal title", "\x1b]0;owned\a", `\x1b]0;owned\a`},
		{"newline and tab", "a\nb\tc\r", `a\nb\tc\r`},
		{"nul and DEL", "\x00\x7f", `\x00\x7f`},
		{"C1 control sequence introducer", "a\u009b31m", `a\u009b31m`},
		{"bidirectional override", "user\u202egpj.exe", `user\u202egpj.exe`},
		{"zero width space", "a\u200bb", `a\u200bb`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"no-break space", "a\u00a0b", `a\u00a0b`},
		{"byte order mark", "\ufeffa", `\ufeffa`},
		{"tag characters", "a\U000e0041", `a\U000e0041`},
		{"no UTF-8", "a\xff\xfeb", `a\xff\xfeb`},
		{"cut UTF-8", "a\xe6\xb3", `a\xe6\xb3`},
		{"the replacement character itself", "a\ufffdb", "a\ufffdb"},
		{"a backslash is shown from an escape", `a\n`, `a\\n`},
		{"a command of GitHub Actions", "::error::a::b", `\x3a:error::a::b`},
		{"no command, but an address", "::1", "::1"},
		{"a command of Azure Pipelines", "a##vso[task]##[error]###", `a\x23#vso[task]\x23#[error]\x23\x23#`},
		{"as long as is shown", long, long},
		{"longer than is shown", long + "y", long + "..."},
		{"a character across the end", long[1:] + "é", long[1:] + "..."},
	} {
		if got := Escape(c.in); got != c.want {
			t.Errorf("%s: Escape(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestTSVFieldsHaveOneMeaning(t *testing.T) {
	seen := map[string]string{tsvUnknown: "what is not known"}
	for _, in := range []string{"", "-", `""`, "--", `"`, `\x2d`, `\x22\x22`, "a", "a\tb", `a\tb`, "a\nb"} {
		got := string(appendTSV(nil, in))
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q are both written as %s", other, in, got)
		}
		seen[got] = in
		if got[0] == '"' && got != tsvEmpty {
			t.Errorf("%q is written as %s, which a spreadsheet takes for quoted", in, got)
		}
	}
}

func TestTSVFieldsAreNotCalculated(t *testing.T) {
	for in, want := range map[string]string{
		"=1": `\x3d1`, "a;=1": `a;\x3d1`, ";=1": `;\x3d1`, `a,"=1"`: `a,\x22=1"`, "a;＝1": `a;\uff1d1`, "a; b, c": "a; b, c", "::set-env": `\x3a:set-env`,
	} {
		if got := string(appendTSV(nil, in)); got != want {
			t.Errorf("%q is written as %s, want %s", in, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, text := range escapeSeeds {
		f.Add(text[:min(len(text), 300)])
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkPrintable(t, "escaped", []byte(Escape(s)))
		checkPrintable(t, "tsv field", appendTSV(nil, s))
		quoted := appendJSONString(nil, s)
		checkPrintable(t, "json string", quoted)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil {
			t.Errorf("%s: %v", quoted, err)
		}
		if len(s) <= maxShown && back != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Errorf("%q became %q", s, back)
		}
	})
}

var escapeSeeds = []string{
	"-", "", `""`, "a\tb", "a\nb\r\nc", "\x1b[2J\x1b]0;x\a", "\u009b31m", "\u202eevil", "\xff\xfe\xfd", "\x00",
	"<script>alert(1)</script>", `{"a":"b"}`, strings.Repeat("字", 99), "\U0001f469\u200d\U0001f4bb",
}

// checkPrintable fails for bytes in out that a terminal may execute, or that are no UTF-8.
func checkPrintable(t *testing.T, what string, out []byte) {
	t.Helper()
	if !utf8.Valid(out) {
		t.Errorf("%s: not valid UTF-8", what)
	}
	for _, r := range string(out) {
		if !unicode.IsPrint(r) {
			t.Errorf("%s: holds %U", what, r)
			return
		}
	}
}

package write

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestFormats checks properties of every format of a report.
func TestFormats(t *testing.T) {
	names, extensions := map[string]bool{}, map[string]bool{}
	for _, f := range Formats() {
		if names[f.Name] || f.Name == "" || len(f.Extensions) == 0 && f.Name != "github" {
			t.Errorf("format %q, extensions %v: want a name of its own and an extension", f.Name, f.Extensions)
		}
		names[f.Name] = true
		for _, e := range f.Extensions {
			if extensions[e] || e[0] != '.' {
				t.Errorf("%s: extension %q is used twice or begins without a point", f.Name, e)
			}
			extensions[e] = true
		}
		var once, twice bytes.Buffer
		for _, w := range []*bytes.Buffer{&once, &twice} {
			if err := f.Write(w, richReport(), TextOptions{}); err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
		}
		if once.Len() == 0 || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("%s: %d bytes, and not the same each time", f.Name, once.Len())
		}
		if err := f.Write(&failing{room: 10}, richReport(), TextOptions{}); !errors.Is(err, errNoRoom) {
			t.Errorf("%s: error %v, want %v", f.Name, err, errNoRoom)
		}
		const script = "<script>alert(1)</script>"
		for _, h := range []struct{ text, raw string }{{"\x1b]0;x\a", "\x1b]"}, {"\u202eevil", "\u202e"}, {script, script}} {
			var out bytes.Buffer
			err := f.Write(&out, hostileReport(h.text), TextOptions{})
			isRaw := strings.Contains(out.String(), h.raw)
			switch {
			case h.text != script || f.Name == "html" || f.Name == "junit":
			case f.Name == "markdown": // in code, it is text
				isRaw = false
				walk(render(t, out.String()), 0, func(n *html.Node, _ int) int {
					isRaw = isRaw || n.Type == html.ElementNode && n.Data == "script"
					return 0
				})
			default:
				isRaw = false
			}
			if err != nil || isRaw {
				t.Errorf("%s: %q reaches the output, error %v", f.Name, h.raw, err)
			}
		}
	}
	if !slices.Equal(formatNames(), []string{"text", "json", "markdown", "html", "csv", "sarif", "junit", "github"}) {
		t.Errorf("formats %v", formatNames())
	}
}

// TestEveryFormatSaysWhatAMatchIsWorth: a match that is only possible comes with the reason.
func TestEveryFormatSaysWhatAMatchIsWorth(t *testing.T) {
	r := richReport()
	known := r.Findings[0].KnownIssue
	known.Confidence, known.ConfidenceReason = "possible", "only the request fits"
	for _, f := range Formats() {
		var out bytes.Buffer
		if err := f.Write(&out, r, TextOptions{}); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(out.String()), " ")
		if !strings.Contains(text, "possible") || !strings.Contains(text, "only the request fits") {
			t.Errorf("%s does not say that the match is possible, and why", f.Name)
		}
	}
}

func formatNames() (names []string) {
	for _, f := range Formats() {
		names = append(names, f.Name)
	}
	return names
}

func TestRequestFormats(t *testing.T) {
	for _, f := range RequestFormats() {
		var out bytes.Buffer
		w := f.List(&out, TextOptions{})
		w.Exchange(exchangeAt(1))
		if err := w.Close(); err != nil || out.Len() == 0 || f.Name == "" || len(f.Extensions) == 0 {
			t.Errorf("%q: %d bytes, error %v", f.Name, out.Len(), err)
		}
	}
}

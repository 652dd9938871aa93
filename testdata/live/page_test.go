//go:build root

package live

import (
	"bytes"
	"context"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kversion"
)

// TestPageInABrowserWhileTrafficRuns has Chromium open the page of --listen: its own
// script must be allowed to run, and to fetch what is new.
func TestPageInABrowserWhileTrafficRuns(t *testing.T) {
	addr, port := broker(t, kversion.V2_1_0())
	p := sniff(t, port, "--listen", ":0")
	line, _, _ := p.err.find("serving the current report at ")
	url := line[strings.Index(line, "http://"):]
	violate(t, addr)
	p.told(`{"event":"finding"`)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	browser := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
		"--virtual-time-budget=20000", "--dump-dom", url)
	var stderr bytes.Buffer
	browser.Stderr = &stderr
	var page []byte
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		page, err = browser.Output()
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(200 * time.Millisecond):
			violate(t, addr)
		}
	}
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	for _, want := range []string{
		" sends Fetch v12 to ", "KV1001",
		`id="live-time"[^>]*>live, `, // written by the script after it has fetched the page anew
		`id="live-pause"`,
	} {
		if !regexp.MustCompile(want).Match(page) {
			t.Errorf("the page lacks %s:\n%.5000s", want, page)
		}
	}
	if code := p.end(); code != 1 {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
}

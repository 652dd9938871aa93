package capture

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestEveryEncapsulationIsDocumentedAndTried guards against a row of the dissector's table that
// docs/inputs.md does not name, or that no variant of a capture has.
func TestEveryEncapsulationIsDocumentedAndTried(t *testing.T) {
	text, err := os.ReadFile("../docs/inputs.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := range encapsulations {
		name := encapsulations[i].name
		word := regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(name) + `($|[^\w-])`)
		if !word.Match(text) {
			t.Errorf("%s: docs/inputs.md does not name it", name)
		}
		tried := false
		for _, v := range capturetest.Encapsulations() {
			rest, ok := strings.CutPrefix(v.Name, name)
			tried = tried || ok && (rest == "" || rest[0] == ' ' || rest[0] == ',')
		}
		if !tried {
			t.Errorf("%s: no variant of package capturetest has it", name)
		}
	}
}

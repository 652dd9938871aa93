package write

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
)

func TestReferencesAreListed(t *testing.T) {
	var out bytes.Buffer
	if err := References(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, table := range decode.Tables() {
		if !strings.HasPrefix(lines[i], table.Name()+" ") || len(lines[i]) > 110 {
			t.Errorf("%s has not one line: %s", table.Name(), lines[i])
		}
	}
}

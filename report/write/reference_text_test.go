package write

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
)

func TestReferencesAreListed(t *testing.T) {
	var out bytes.Buffer
	if err := References(&out, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, table := range decode.Tables() {
		if !strings.Contains(out.String(), table.Name()+" ") {
			t.Errorf("%s is not listed", table.Name())
		}
	}
}

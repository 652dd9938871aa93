package capturetest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// CheckSize fails the test if a source file of the tested package does not state a size in bytes.
// text is the sentence, with %d in place of the size; line breaks and comment marks do not matter.
func CheckSize(t *testing.T, file, text string, size uintptr) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(strings.ReplaceAll(string(source), "//", "")), " ")
	if stated := fmt.Sprintf(text, size); !strings.Contains(words, stated) {
		t.Errorf("%s does not contain %q", file, stated)
	}
}

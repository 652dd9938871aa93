package write

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// isFile reports whether a capture is a file, not standard input or an interface.
func isFile(c *model.Capture) bool { return c.Path != "-" && c.Format != "live" }

func sourcePhrase(c *model.Capture) phrase {
	switch {
	case c.Format == "live":
		return say("live on ", verbatim(c.Path))
	case c.Path == "-":
		return say("standard input")
	}
	return say(verbatim(c.Path))
}

// capturePhrase describes a capture: its name, its size and its period.
func capturePhrase(c *model.Capture) phrase {
	text := ": " + words.Plural(c.Packets, "packet") + ", " + words.Size(c.Bytes)
	if c.First != nil && c.Last != nil {
		text += fmt.Sprintf(", %s UTC, %s long", momentText(*c.First), words.Humane(time.Duration(*c.Last-*c.First)))
	}
	return say(sourcePhrase(c), text)
}

func captureName(r *model.Report, i uint32) phrase {
	if int(i) >= len(r.Captures) {
		return say(fmt.Sprintf("capture %d", i+1))
	}
	return say(verbatim(r.Captures[i].Path))
}

// shortName returns a capture's name without directory, unless another capture has the same name.
func shortName(r *model.Report, i int) string {
	path := r.Captures[i].Path
	name := filepath.Base(path)
	for j := range r.Captures {
		if j != i && filepath.Base(r.Captures[j].Path) == name {
			return path
		}
	}
	return name
}

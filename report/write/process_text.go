package write

import (
	"fmt"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
)

// maxOwners is how many principals and processes of a client are named.
const maxOwners = 3

// processText names a process: "pid 4711 loader, pod shop/loader-abc". The result must be escaped.
func processText(p *model.Process) string {
	var parts []string
	switch {
	case p.PID > 0:
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("pid %d %s", p.PID, p.Command)))
	case p.Command != "":
		parts = append(parts, p.Command)
	}
	switch {
	case p.Pod != "" && p.Namespace != "":
		parts = append(parts, "pod "+p.Namespace+"/"+p.Pod)
	case p.Pod != "":
		parts = append(parts, "pod "+p.Pod)
	case p.Namespace != "": // of a pod in the network of the host
		parts = append(parts, "a pod in namespace "+p.Namespace)
	case p.Container != "":
		parts = append(parts, "container "+p.Container)
	case p.User != "":
		parts = append(parts, "user "+p.User)
	}
	return strings.Join(parts, ", ")
}

func processTexts(list []model.Process) []string {
	var out []string
	for i := range list {
		out = append(out, processText(&list[i]))
	}
	return out
}

func ownerTexts(principals []string, list []model.Process) []string {
	var out []string
	for _, p := range principals {
		out = append(out, "principal "+p)
	}
	return append(out, processTexts(list)...)
}

// ownerPhrase continues a sentence with the principals and processes of a client; nil for none.
func ownerPhrase(principals []string, list []model.Process) phrase {
	texts := ownerTexts(principals, list)
	if len(texts) == 0 {
		return nil
	}
	return say(", ", some(texts, maxOwners))
}

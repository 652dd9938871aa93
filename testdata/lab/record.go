package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// settle is how long a recording goes on after the client has ended, for the
// last segments, and before tcpdump is told to stop.
const settle = 300 * time.Millisecond

// recording is a tcpdump at work.
type recording struct {
	cmd  *exec.Cmd
	said *buffer
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

// tcpdump begins to record packets of an interface into a file. The command tells
// where: in a room, or here. more are further flags.
func tcpdump(ctx context.Context, enter func(*exec.Cmd) *exec.Cmd, device, filter, file string, more ...string) (*recording, error) {
	r := &recording{said: new(buffer)}
	args := append([]string{"-i", device, "-s", "0", "-B", "16384", "--immediate-mode", "-U", "-Z", "root", "-w", file}, more...)
	r.cmd = enter(exec.CommandContext(ctx, "tcpdump", append(args, filter)...))
	r.cmd.Stderr = r.said
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(r.said.String(), "listening on "+device) {
			return r, nil
		}
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait() // killed
	return nil, fmt.Errorf("tcpdump does not listen: %s", r.said)
}

// here leaves a command in this namespace.
func here(cmd *exec.Cmd) *exec.Cmd { return cmd }

// stop ends the recording with all that was seen until now.
func (r *recording) stop() error {
	time.Sleep(settle)
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	if err := r.cmd.Wait(); err != nil {
		return fmt.Errorf("tcpdump: %w: %s", err, r.said)
	}
	if !strings.Contains(r.said.String(), "\n0 packets dropped by kernel") {
		return fmt.Errorf("tcpdump lost packets: %s", r.said)
	}
	return nil
}

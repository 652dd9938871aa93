package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

const (
	// clientTime is when a client that still runs is killed: its own watchdog is at 18 s.
	clientTime = 30 * time.Second
	// installTime bounds the building of one client.
	installTime = 15 * time.Minute
	// maxOutput is how many lines the manifest holds of what a client says.
	maxOutput = 20
)

// secretText is what must not get into the manifest.
var secretText = regexp.MustCompile(`secret-[0-9A-Za-z]+`)

// installAll installs clients by their names, and returns what went wrong with each.
func installAll(ctx context.Context, o options, needed map[string]bool, stdout io.Writer) map[string]error {
	problems := map[string]error{}
	for _, c := range clients() {
		if !needed[c.Name] {
			continue
		}
		if ctx.Err() != nil {
			break // what is there must stay: installing begins with an empty folder
		}
		limited, cancel := context.WithTimeout(ctx, installTime)
		if err := c.Install(limited, o.cache); err != nil {
			fmt.Fprintf(stdout, "install %s: %v\n", c.Name, err)
			problems[c.Name] = err
		}
		cancel()
	}
	return problems
}

// patience multiplies all time limits of clients, on a busy machine: they read LAB_PATIENCE, too.
func patience() time.Duration {
	n, err := strconv.Atoi(os.Getenv("LAB_PATIENCE"))
	if err != nil || n < 1 {
		return 1
	}
	return time.Duration(n)
}

// run runs the client, calls started when it runs or cannot, and notes how it ended.
func (e *entry) run(cmd *exec.Cmd, environment []string, limit time.Duration, started func()) {
	out := new(buffer)
	cmd.Env = append(cmd.Environ(), environment...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	begun := time.Now()
	err := cmd.Start()
	started()
	if err != nil {
		e.Outcome, e.Reason = notRun, err.Error()
		return
	}
	tooLong := time.AfterFunc(limit, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // with what it started
	err = cmd.Wait()
	inTime := tooLong.Stop()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
	e.Seconds = float64(time.Since(begun).Round(100*time.Millisecond)) / float64(time.Second)
	e.Exit = cmd.ProcessState.ExitCode()
	e.Output = trimmed(out.String(), maxOutput)
	switch {
	case !inTime:
		e.Outcome = killed
	case err != nil:
		e.Outcome = failed
	default:
		e.Outcome = allWell
	}
}

// size is the size of one of the cluster's files, 0 when it is not there.
func (c *cluster) size(name string) int64 {
	info, err := os.Stat(c.file(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// since is what was written to one of the cluster's files behind a position.
func (c *cluster) since(name string, position int64) (string, error) {
	data, err := os.ReadFile(c.file(name))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(data[min(position, int64(len(data))):]), err
}

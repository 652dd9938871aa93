package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// haproxy stands before broker 1 on the scenario's port. check is what HAProxy does to
// find out whether the backend is there ("check inter 1s" or nothing), idle how long it
// keeps silent connections.
func haproxy(check string, idle time.Duration) func(context.Context, *stage) (func() error, error) {
	return func(ctx context.Context, s *stage) (func() error, error) {
		c := s.clusters[0]
		config := fmt.Sprintf("defaults\n mode tcp\n timeout connect 2s\n timeout client %[1]ds\n timeout server %[1]ds\n"+
			"listen kafka\n bind %[2]s\n server broker %[3]s %[4]s\n", int(idle.Seconds()), address(c.host, s.listener.port),
			address(c.host, s.listener.port-proxyOffset), check)
		return startProxy(ctx, here, s.dir, config, "haproxy", "-db", "-f")
	}
}

// nginx stands before broker 1 on the scenario's port.
func nginx(idle time.Duration) func(context.Context, *stage) (func() error, error) {
	return func(ctx context.Context, s *stage) (func() error, error) {
		c := s.clusters[0]
		config := fmt.Sprintf("load_module /usr/lib/nginx/modules/ngx_stream_module.so;\ndaemon off;\nerror_log stderr;\npid %s;\nevents {}\n"+
			"stream {\n server {\n listen %s;\n proxy_pass %s;\n proxy_connect_timeout 2s;\n proxy_timeout %ds;\n }\n}\n",
			filepath.Join(s.dir, "nginx.pid"), address(c.host, s.listener.port), address(c.host, s.listener.port-proxyOffset), int(idle.Seconds()))
		return startProxy(ctx, here, s.dir, config, "nginx", "-c")
	}
}

// startProxy writes a configuration into a folder and starts a program with it, in a process group of its own.
// enter puts its command into a room, or leaves it here.
func startProxy(ctx context.Context, enter func(*exec.Cmd) *exec.Cmd, dir, config, program string, args ...string) (func() error, error) {
	file := filepath.Join(dir, program+".conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	said := new(buffer)
	cmd := enter(exec.CommandContext(ctx, program, append(args, file)...))
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	time.Sleep(500 * time.Millisecond)
	if ended(cmd.Process.Pid) {
		return nil, fmt.Errorf("%s ended: %s", program, firstLines(said.String(), 3))
	}
	return func() error {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with its workers
		_ = cmd.Wait()                                      // killed
		return nil
	}, nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// down ends broker i by a signal, waits, and starts it again.
func down(i int, signal syscall.Signal, away time.Duration) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		c := s.clusters[i]
		if err := c.finish(signal); err != nil {
			return err
		}
		time.Sleep(away)
		return c.startBroker(ctx)
	}
}

// finish ends a broker by a signal; by KILL, if another does not end it in time.
func (c *cluster) finish(signal syscall.Signal) error {
	if err := c.broker.Process.Signal(signal); err != nil {
		return err
	}
	force := time.AfterFunc(20*time.Second, func() { _ = c.broker.Process.Kill() })
	defer force.Stop()
	_ = c.broker.Wait() // by a signal
	return nil
}

// become ends broker i by TERM and starts another release with its data.
func become(i int, name string) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		c := s.clusters[i]
		if err := c.finish(syscall.SIGTERM); err != nil {
			return err
		}
		c.node, c.changed = nodes(name)[0], true
		return c.startBroker(ctx)
	}
}

// replace kills broker i and starts another release at its address, without its data.
func replace(i int, name string) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		old := s.clusters[i]
		if err := old.stop(); err != nil {
			return err
		}
		dir, err := scratch(s.dir, fmt.Sprintf("node%d-%s", i+1, name))
		if err != nil {
			return err
		}
		at := old.site
		at.node = nodes(name)[0]
		c, err := newCluster(ctx, at, s.o.java, s.o.cache, dir)
		s.clusters[i] = c
		c.changed = true
		s.follow(c)
		for _, file := range []string{"ca.pem", "broker.p12"} { // which the clients trust
			if err == nil {
				err = copyFile(old.file(file), c.file(file))
			}
		}
		if err == nil {
			err = c.launchAll(ctx)
		}
		if err == nil {
			err = c.ready(ctx, 0)
		}
		if err == nil {
			err = c.prepare(ctx)
		}
		for _, p := range s.players {
			if err == nil {
				err = c.createTopic(ctx, p.topic)
			}
		}
		return err
	}
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// freeze stops broker i for some time.
func freeze(i int, length time.Duration) func(context.Context, *stage) error {
	return func(_ context.Context, s *stage) error {
		p := s.clusters[i].broker.Process
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(length)
		return p.Signal(syscall.SIGCONT)
	}
}

// cut takes down the brokers' ends of all cables for some time.
func cut(length time.Duration) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		for _, state := range []string{"down", "up"} {
			for _, p := range s.players {
				if err := ip(ctx, "link", "set", p.room.cable(), state); err != nil {
					return err
				}
			}
			if state == "down" {
				time.Sleep(length)
			}
		}
		return nil
	}
}

// nft has the brokers' namespace treat packets by a rule for some time.
func nft(rule string, length time.Duration) func(context.Context, *stage) error {
	return func(ctx context.Context, _ *stage) error {
		const table = "table ip chaos { chain in { type filter hook input priority 0; iifname \"room*\" %s; }; }"
		if out, err := exec.CommandContext(ctx, "nft", fmt.Sprintf(table, rule)).CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %s", err, out)
		}
		time.Sleep(length)
		if out, err := exec.CommandContext(ctx, "nft", "delete table ip chaos").CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %s", err, out)
		}
		return nil
	}
}

// freezeClients stops the clients for some time.
func freezeClients(length time.Duration) func(context.Context, *stage) error {
	return func(_ context.Context, s *stage) error {
		s.each(syscall.SIGSTOP)
		time.Sleep(length)
		s.each(syscall.SIGCONT)
		return nil
	}
}

// killClients ends the clients in the middle of their work.
func killClients(_ context.Context, s *stage) error {
	s.each(syscall.SIGKILL)
	return nil
}

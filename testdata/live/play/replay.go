package main

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// replay sends the Ethernet frames of a capture on an interface, as fast as it takes them.
func replay(ctx context.Context, o options) error {
	packets, err := capturetest.ReadFile(o.file)
	if err != nil {
		return err
	}
	i, err := net.InterfaceByName(o.iface)
	if err != nil {
		return err
	}
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)
	if err != nil {
		return fmt.Errorf("open a packet socket: %w", err)
	}
	defer syscall.Close(fd)
	for n := 0; n < len(packets) && ctx.Err() == nil; {
		switch err := syscall.Sendto(fd, packets[n].Data, 0, &syscall.SockaddrLinklayer{Ifindex: i.Index}); err {
		case nil:
			n++
		case syscall.ENOBUFS, syscall.EINTR: // once more
		default:
			return fmt.Errorf("send packet %d: %w", n+1, err)
		}
	}
	return nil
}

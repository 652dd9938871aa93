//go:build !libpcap

package capture

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// packetSocket is Linux' tap: a packet(7) socket with a ring.
//
// It is opened for no protocol, so no packet arrives before filter, ring and binding are
// complete. It is opened only once. When a removed interface comes back, the socket is bound
// again. That needs no capability, so a program without its rights can continue.
type packetSocket struct {
	opt *LiveOptions
	fd  int
	// file is fd. raw waits for it, and calls look.
	file *os.File
	raw  syscall.RawConn
	look func(uintptr) bool
	// woken: wake was called.
	woken atomic.Bool
	// failed is the error that look found.
	failed error
	ring   *ring
	// any: the socket captures on all interfaces. Otherwise index and hardware are the
	// interface's.
	any      bool
	index    int
	hardware uint16
	// isAway: the interface is down or removed. warned is the last warning about it.
	isAway bool
	warned string
}

// openTap opens a packet socket.
func openTap(opt *LiveOptions) (t tap, link LinkType, err error) {
	s := &packetSocket{opt: opt, any: opt.Interface == AnyInterface}
	defer func() {
		if err != nil {
			_ = s.close() // err is the cause
		}
	}()
	cooked := true
	if !s.any {
		if cooked, err = s.examine(); err != nil {
			return nil, 0, err
		}
	}
	kind := unix.SOCK_RAW
	if cooked {
		kind = unix.SOCK_DGRAM
	}
	if s.fd, err = unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return nil, 0, explainRights(err)
	}
	s.file = os.NewFile(uintptr(s.fd), "packet socket")
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return nil, 0, err
	}
	program, err := s.program(cooked)
	if err != nil {
		return nil, 0, err
	}
	if err = s.attach(program); err != nil {
		return nil, 0, err
	}
	if s.ring, err = newRing(s.fd, opt.BufferBytes, opt.SnapLen, cooked); err != nil {
		return nil, 0, err
	}
	s.look = s.isDone
	return s, s.ring.link, s.bind()
}

// examine returns whether the interface needs a cooked header.
func (s *packetSocket) examine() (cooked bool, err error) {
	// This needs a socket, but not the right to open a packet socket. So an interface that does
	// not exist is also reported without that right.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		if fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return false, fmt.Errorf("open a socket: %w", err)
		}
	}
	defer unix.Close(fd)
	i, err := query(fd, s.opt.Interface)
	if err != nil {
		return false, err
	}
	s.index, s.hardware = i.index, i.hardware
	return i.hardware != unix.ARPHRD_ETHER && i.hardware != unix.ARPHRD_LOOPBACK, nil
}

type linkState struct {
	index    int
	hardware uint16
	up       bool
}

// query returns the state of an interface in the network namespace of a socket.
func query(fd int, name string) (linkState, error) {
	var state linkState
	for _, q := range []struct {
		request uint
		set     func(*unix.Ifreq)
	}{
		{unix.SIOCGIFINDEX, func(r *unix.Ifreq) { state.index = int(r.Uint32()) }},
		{unix.SIOCGIFHWADDR, func(r *unix.Ifreq) { state.hardware = r.Uint16() }},
		{unix.SIOCGIFFLAGS, func(r *unix.Ifreq) { state.up = r.Uint16()&unix.IFF_UP != 0 }},
	} {
		r, err := unix.NewIfreq(name)
		if err != nil {
			return state, errNoInterface // the name is too long
		}
		switch err := unix.IoctlIfreq(fd, q.request, r); err {
		case nil:
			q.set(r)
		case unix.ENODEV:
			return state, errNoInterface
		default:
			return state, fmt.Errorf("get its state: %w", err)
		}
	}
	return state, nil
}

func (s *packetSocket) program(cooked bool) ([]bpf.RawInstruction, error) {
	switch {
	case len(s.opt.BPF) > 0:
		return adaptBPF(s.opt.BPF, uint32(s.opt.SnapLen), cooked)
	case cooked:
		return s.opt.Filter.compile(cookedFrame, uint32(s.opt.SnapLen), true)
	}
	ethernet, _ := frameOf(LinkTypeEthernet)
	return s.opt.Filter.compile(ethernet, uint32(s.opt.SnapLen), true)
}

func (s *packetSocket) attach(program []bpf.RawInstruction) error {
	code := make([]unix.SockFilter, len(program))
	for i, p := range program {
		code[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	switch err {
	case nil:
		return nil
	case unix.EINVAL:
		return errors.New("the kernel refuses the BPF program: it must have known codes, jump inside the program and end with a return")
	case unix.ENOMEM:
		return fmt.Errorf("a filter of %d instructions needs more memory than net.core.optmem_max allows: raise it (sysctl -w net.core.optmem_max=131072)", len(code))
	}
	return fmt.Errorf("set a filter of %d instructions: %w", len(code), err)
}

// bind begins to capture. An interface that is down is no error.
func (s *packetSocket) bind() error {
	all := networkOrder(unix.ETH_P_ALL)
	if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: s.index}); err != nil {
		if err == unix.ENODEV {
			return errNoInterface
		}
		return fmt.Errorf("bind: %w", err)
	}
	if s.opt.Promiscuous {
		return s.promiscuous(unix.PACKET_ADD_MEMBERSHIP)
	}
	return nil
}

// promiscuous adds or removes the membership that receives packets to other hosts.
func (s *packetSocket) promiscuous(option int) error {
	err := unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, option,
		&unix.PacketMreq{Ifindex: int32(s.index), Type: unix.PACKET_MR_PROMISC})
	if err != nil {
		return fmt.Errorf("switch to promiscuous: %w", err)
	}
	return nil
}

// fill implements tap.
func (s *packetSocket) fill(records *records, b *Batch) error {
	if s.isAway {
		if err := s.reattach(); err != nil {
			return err
		}
	}
	if !s.ring.ready() {
		if err := s.wait(); err != nil {
			return err
		}
	}
	if !s.ring.ready() {
		return nil
	}
	return s.ring.take(records, b)
}

// wait waits for a block or an error. It uses Go's poller, which waits for edges. poll(2) would
// report the socket as readable until the last block is returned, and batches can take a while
// to do that. A thread in poll(2) would also cost more wake-ups of Go's scheduler.
func (s *packetSocket) wait() error {
	if err := s.file.SetReadDeadline(time.Now().Add(livePause)); err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	if s.woken.Load() {
		return nil
	}
	s.failed = nil
	err := s.raw.Read(s.look)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return s.failed
	}
	// The poller can report a socket error as its own.
	if failed := s.socketError(); failed != nil || s.isAway {
		return failed
	}
	return fmt.Errorf("wait for packets: %w", err)
}

// isDone reports whether the waiting ends; s.failed is the error, if there is one.
func (s *packetSocket) isDone(uintptr) bool {
	if s.ring.ready() {
		return true
	}
	s.failed = s.socketError()
	return s.failed != nil || s.isAway
}

// socketError handles the socket's pending error.
func (s *packetSocket) socketError() error {
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("get the socket's error: %w", err)
	}
	switch errno := unix.Errno(code); errno {
	case 0:
	case unix.ENETDOWN, unix.ENODEV, unix.ENXIO:
		s.isAway = true
		return s.reattach()
	default:
		return errno
	}
	return nil
}

// reattach binds to an interface that came back, and warns about its state.
func (s *packetSocket) reattach() error {
	state, err := query(s.fd, s.opt.Interface)
	switch {
	case errors.Is(err, errNoInterface):
		s.warn("was removed; waiting for it")
		return nil
	case err != nil:
		return err
	case state.hardware != s.hardware:
		s.warn("came back as another kind of interface; waiting for the original kind")
		return nil
	case !state.up:
		s.warn("is down; waiting for it")
		return nil
	}
	s.index = state.index
	switch err := s.bind(); {
	case errors.Is(err, errNoInterface):
		return nil // removed again; the next call warns
	case err != nil:
		return err
	}
	if s.warned == "" {
		// It was down for less than a moment.
		s.warn("was down for a moment")
	} else {
		s.warn("is back")
	}
	s.isAway, s.warned = false, ""
	return nil
}

// warn warns if the state of the interface changed.
func (s *packetSocket) warn(what string) {
	if s.warned != what {
		s.warned = what
		s.opt.Warn(fmt.Errorf("interface %s %s", s.opt.Interface, what))
	}
}

// drops implements tap. Reading the counters resets them. The kernel also counts how often the
// ring was full; that is not added, because each packet lost then is also a drop.
func (s *packetSocket) drops() uint64 {
	stats, err := unix.GetsockoptTpacketStatsV3(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0 // it fails only for other kinds of sockets
	}
	return uint64(stats.Drops)
}

// wake implements tap.
func (s *packetSocket) wake() {
	s.woken.Store(true)
	_ = s.file.SetReadDeadline(time.Unix(1, 0)) // on error the wait ends later
}

// close implements tap.
func (s *packetSocket) close() error {
	var errs []error
	if s.ring != nil {
		// While batches hold the ring, the socket stays open. It captures no more packets.
		if s.opt.Promiscuous {
			_ = s.promiscuous(unix.PACKET_DROP_MEMBERSHIP) // it fails if the interface was removed
		}
		errs = append(errs, s.attach([]bpf.RawInstruction{{Op: bpfReturn}}))
		s.ring.close()
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

// explainRights explains an error of opening a packet socket, and which right is missing.
func explainRights(err error) error {
	switch {
	case err == unix.EAFNOSUPPORT:
		return errors.New("this kernel has no packet sockets (CONFIG_PACKET)")
	case err != unix.EPERM && err != unix.EACCES:
		return fmt.Errorf("open a packet socket: %w", err)
	}
	return missingRights()
}

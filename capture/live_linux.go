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

// packetSocket is a packet(7) socket with a ring: the tap of Linux.
//
// It is opened for no protocol, so that nothing arrives before the filter and
// the ring are in place and it is bound. It is never opened again: when
// the interface was gone and comes back it is bound once more, which takes no
// capability, so that a program that dropped its rights goes on.
type packetSocket struct {
	opt *LiveOptions
	fd  int
	// file is fd, and raw what waits for it; look is called then.
	file *os.File
	raw  syscall.RawConn
	look func(uintptr) bool
	// woken says that nothing is waited for any more.
	woken atomic.Bool
	// failed is what look found.
	failed error
	ring   *ring
	// any says that all interfaces are watched. Otherwise, index and hardware
	// are those of the interface.
	any      bool
	index    int
	hardware uint16
	// away says that the interface is down or gone, and waited for; told is
	// what was said about it last.
	away bool
	told string
}

// openTap opens a packet socket.
func openTap(opt *LiveOptions) (t tap, link LinkType, err error) {
	s := &packetSocket{opt: opt, any: opt.Interface == AnyInterface}
	defer func() {
		if err != nil {
			_ = s.close() // what went wrong before tells more
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
	s.look = s.news
	return s, s.ring.link, s.bind()
}

// examine finds out what kind of interface it is, and whether it needs a cooked header.
func (s *packetSocket) examine() (cooked bool, err error) {
	// Asking needs a socket, but not the rights to a packet socket: an interface that does
	// not exist is worth telling to those without them, too.
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

// linkState is what is asked of an interface.
type linkState struct {
	index    int
	hardware uint16
	up       bool
}

// query asks about an interface in the network namespace of a socket.
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
			return state, errNoInterface // the name is too long for one
		}
		switch err := unix.IoctlIfreq(fd, q.request, r); err {
		case nil:
			q.set(r)
		case unix.ENODEV:
			return state, errNoInterface
		default:
			return state, fmt.Errorf("ask for its state: %w", err)
		}
	}
	return state, nil
}

// program is the filter for the socket.
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

// attach sets the filter of the socket.
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
	case unix.ENOMEM:
		return fmt.Errorf("a filter of %d instructions needs more memory than net.core.optmem_max allows: raise it (sysctl -w net.core.optmem_max=131072)", len(code))
	}
	return fmt.Errorf("set a filter of %d instructions: %w", len(code), err)
}

// bind begins to capture. An interface that is down is waited for.
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

// promiscuous adds or drops the wish for packets to other hosts.
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
	if s.away {
		if err := s.seek(); err != nil {
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

// wait waits for a block, or for trouble. Go's poller waits for edges, and so it must be
// done here: poll(2) takes the socket for readable as long as the block handed over last
// has not been given back, which batches can take a while to do. A
// thread of its own in poll(2) would also cost more, in wake-ups of Go's scheduler.
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
	// The poller may not tell an error of the socket from one of its own.
	if failed := s.trouble(); failed != nil || s.away {
		return failed
	}
	return fmt.Errorf("wait for packets: %w", err)
}

// news reports whether there is an end to the waiting; failed is why, if it is an error.
func (s *packetSocket) news(uintptr) bool {
	if s.ring.ready() {
		return true
	}
	s.failed = s.trouble()
	return s.failed != nil || s.away
}

// trouble looks whether the socket reports an error.
func (s *packetSocket) trouble() error {
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("ask for the socket's error: %w", err)
	}
	switch errno := unix.Errno(code); errno {
	case 0:
	case unix.ENETDOWN, unix.ENODEV, unix.ENXIO:
		s.away = true
		return s.seek()
	default:
		return errno
	}
	return nil
}

// seek looks whether an interface that was away is back, says when things
// changed, and binds to it.
func (s *packetSocket) seek() error {
	state, err := query(s.fd, s.opt.Interface)
	switch {
	case errors.Is(err, errNoInterface):
		s.tell("is gone; waiting for it")
		return nil
	case err != nil:
		return err
	case state.hardware != s.hardware:
		s.tell("came back as another kind of interface; waiting for the one it was")
		return nil
	case !state.up:
		s.tell("is down; waiting for it")
		return nil
	}
	s.index = state.index
	switch err := s.bind(); {
	case errors.Is(err, errNoInterface):
		return nil // gone again; the next look says so
	case err != nil:
		return err
	}
	if s.told == "" {
		// It was down for less than a moment.
		s.tell("was down for a moment")
	} else {
		s.tell("is back")
	}
	s.away, s.told = false, ""
	return nil
}

// tell warns of what is new about the interface.
func (s *packetSocket) tell(what string) {
	if s.told != what {
		s.told = what
		s.opt.Warn(fmt.Errorf("interface %s %s", s.opt.Interface, what))
	}
}

// drops implements tap. Reading the counters sets them to 0. How often the ring
// was full is counted as well, by the kernel, but not added: each
// packet lost then is a drop already.
func (s *packetSocket) drops() uint64 {
	stats, err := unix.GetsockoptTpacketStatsV3(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0 // it fails for what is no packet socket only
	}
	return uint64(stats.Drops)
}

// wake implements tap.
func (s *packetSocket) wake() {
	s.woken.Store(true)
	_ = s.file.SetReadDeadline(time.Unix(1, 0)) // the wait ends anyway, only later
}

// close implements tap.
func (s *packetSocket) close() error {
	var errs []error
	if s.ring != nil {
		// As long as batches hold the ring, the socket lives, too: let it rest.
		if s.opt.Promiscuous {
			_ = s.promiscuous(unix.PACKET_DROP_MEMBERSHIP) // it is gone already where the interface is
		}
		errs = append(errs, s.attach([]bpf.RawInstruction{{Op: bpfReturn}}))
		s.ring.close()
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

// explainRights says which right is missing, and how to get it.
func explainRights(err error) error {
	switch {
	case err == unix.EAFNOSUPPORT:
		return errors.New("this kernel has no packet sockets (CONFIG_PACKET)")
	case err != unix.EPERM && err != unix.EACCES:
		return fmt.Errorf("open a packet socket: %w", err)
	}
	return missingRights()
}

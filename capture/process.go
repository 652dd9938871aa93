package capture

import (
	"bytes"
	"strconv"
	"strings"
)

const (
	// optionFlags is epb_flags of an enhanced packet block. Its two lowest bits are the direction
	// (draft-ietf-opsawg-pcapng, section 4.3.1).
	optionFlags = 2
	// directionInbound is the direction of packets that the capturing host received.
	directionInbound = 1
	// maxComments bounds the bytes read of the comments of one packet. ptcpdump also writes
	// arguments, labels and annotations, which can be longer than the other lines.
	maxComments = 16 << 10
	// maxProcesses bounds the processes of a capture kept for sharing: 1,024 of about 1 KiB are 1
	// MiB. A capture of one host has some dozen.
	maxProcesses = 1024
	// maxProcessText bounds, in bytes, a text of a Process.
	maxProcessText = 256
)

// Process is a process of the host that captured a packet. Its texts come from the capturing tool.
// They have at most maxProcessText bytes each, and are empty if unknown.
type Process struct {
	// PID is its number on that host, 0 if unknown.
	PID int
	// Command is the program, without its arguments. User is a name or a number.
	Command, User string
	// Container is the id of its container. Pod and Namespace are names in Kubernetes.
	Container, Pod, Namespace string
}

// PacketProcess is a process that a comment on a packet names.
type PacketProcess struct {
	Process
	// IsReceiver: the process received the packet. If the packet's flags have no direction, it
	// counts as the sender.
	IsReceiver bool
}

// comments returns the process in the options of an enhanced packet block, nil for none.
func (p *pcapng) comments(options []byte) *PacketProcess {
	text, direction := p.commentText[:0], uint32(0)
	p.options(options, func(code uint16, value []byte) {
		switch {
		case code == optionComment && len(text)+len(value) < maxComments:
			text = append(append(text, value...), '\n')
		case code == optionFlags && len(value) == 4:
			direction = p.u32(value) & 3
		}
	})
	p.commentText = text
	if len(text) == 0 {
		return nil
	}
	text = append(text, byte(direction)) // part of the key
	if known, ok := p.processes[string(text)]; ok {
		return known
	}
	var found *PacketProcess
	if process, ok := parseProcess(text[:len(text)-1]); ok {
		found = &PacketProcess{process, direction == directionInbound}
	}
	if p.processes == nil || len(p.processes) >= maxProcesses {
		p.processes = map[string]*PacketProcess{}
	}
	p.processes[string(text)] = found
	return found
}

// parseProcess parses the comments of ptcpdump: lines such as "PID: 1", "Cmd: /usr/bin/java" and
// "ContainerId: ...". The first line of each key counts. A process's arguments can contain line
// breaks, but come after these lines. They can contain secrets and are not kept. Tools for Windows
// write "PID=1".
func parseProcess(text []byte) (p Process, ok bool) {
	take := func(to *string, value []byte) {
		if *to == "" {
			*to = strings.ToValidUTF8(string(value[:min(len(value), maxProcessText)]), "")
		}
	}
	for line := range bytes.Lines(text) {
		at := bytes.IndexAny(line, ":=")
		if at < 0 {
			continue
		}
		value := bytes.TrimSpace(line[at+1:])
		switch string(bytes.TrimSpace(line[:at])) {
		case "PID":
			digits, _, _ := bytes.Cut(value, []byte(" "))
			if n, err := strconv.ParseUint(string(digits), 10, 31); err == nil && p.PID == 0 {
				p.PID = int(n)
			}
		case "Cmd", "Command":
			program, _, _ := bytes.Cut(value, []byte(" ")) // arguments may follow
			take(&p.Command, program)
		case "UserId":
			take(&p.User, value)
		case "ContainerId":
			take(&p.Container, value)
		case "PodName":
			take(&p.Pod, value)
		case "PodNamespace":
			take(&p.Namespace, value)
		}
	}
	return p, p.PID > 0 || p.Pod != "" || p.Container != ""
}

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fakePort is where what is no broker listens.
const fakePort = 18080

// serve listens on the fake's port of broker 1's address and has each connection handled.
func serve(handle func(net.Conn, *stage)) func(context.Context, *stage) (func() error, error) {
	return func(_ context.Context, s *stage) (func() error, error) {
		l, err := net.Listen("tcp", address(s.clusters[0].host, fakePort))
		if err != nil {
			return nil, err
		}
		go handleEach(l, func(c net.Conn) { handle(c, s) })
		return l.Close, nil
	}
}

// handleEach has each connection to a listener handled until the listener closes.
func handleEach(l net.Listener, handle func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			handle(c)
		}()
	}
}

// webServer answers HTTP.
func webServer(_ context.Context, s *stage) (func() error, error) {
	l, err := net.Listen("tcp", address(s.clusters[0].host, fakePort))
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	return server.Close, nil
}

// greeting sends a line first, then answers each piece that comes with another, if there is one.
func greeting(first, answer string) func(context.Context, *stage) (func() error, error) {
	return serve(func(c net.Conn, _ *stage) {
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(c, first) // a client that is gone is gone
		piece := make([]byte, 4096)
		for {
			if _, err := c.Read(piece); err != nil {
				return
			}
			if answer == "" {
				continue
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	})
}

// closesAtOnce closes on the first bytes.
func closesAtOnce(c net.Conn, _ *stage) {
	_, _ = c.Read(make([]byte, 4096)) // whatever it is
}

// tamper is a proxy before broker 1's proxied listener that can look at each request and response.
type tamper struct {
	// request returns whether a request is passed on; an answer is sent in its place, if there is one.
	// An error closes the connection.
	request func(frame []byte) (pass bool, answer []byte, err error)
	// response changes a response to ApiVersions, of which the request's version is given.
	response func(version int16, frame []byte) []byte
}

var errClose = errors.New("the proxy closes")

// stand puts the proxy on the scenario's port.
func (t tamper) stand(_ context.Context, s *stage) (func() error, error) {
	l, err := net.Listen("tcp", address(s.clusters[0].host, s.listener.port))
	if err != nil {
		return nil, err
	}
	backend := address(s.clusters[0].host, s.listener.port-proxyOffset)
	go handleEach(l, func(c net.Conn) { t.between(c, backend) })
	return l.Close, nil
}

// between passes frames on until one side closes.
func (t tamper) between(client net.Conn, backend string) {
	broker, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer broker.Close()
	asked := make(chan [2]int16, 1000) // api and version, in the order of the answers
	go func() {
		defer client.Close()
		for in := bufio.NewReader(broker); ; {
			frame, err := readFrame(in)
			if err != nil {
				return
			}
			if of := <-asked; of[0] == 18 && t.response != nil {
				frame = t.response(of[1], frame)
			}
			if writeFrame(client, frame) != nil {
				return
			}
		}
	}()
	for in := bufio.NewReader(client); ; {
		frame, err := readFrame(in)
		if err != nil {
			return
		}
		pass, answer := true, []byte(nil)
		if t.request != nil {
			pass, answer, err = t.request(frame)
		}
		switch {
		case err != nil:
			return
		case answer != nil:
			err = writeFrame(client, answer)
		case pass:
			asked <- [2]int16{apiOf(frame), versionOf(frame)}
			err = writeFrame(broker, frame)
		}
		if err != nil {
			return
		}
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return nil, err
	}
	if size < 4 || size > 10<<20 {
		return nil, fmt.Errorf("a frame of %d bytes", size)
	}
	frame := make([]byte, size)
	_, err := io.ReadFull(r, frame)
	return frame, err
}

func writeFrame(w io.Writer, frame []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
	return err
}

func apiOf(frame []byte) int16     { return int16(binary.BigEndian.Uint16(frame)) }
func versionOf(frame []byte) int16 { return int16(binary.BigEndian.Uint16(frame[2:])) }

// advertise raises the newest version of some APIs by one or more in what the broker advertises.
func advertise(more map[int16]int16) func(int16, []byte) []byte {
	return edit(func(response *kmsg.ApiVersionsResponse) {
		for i := range response.ApiKeys {
			response.ApiKeys[i].MaxVersion += more[response.ApiKeys[i].ApiKey]
		}
	})
}

// withhold takes APIs out of what the broker advertises.
func withhold(apis ...int16) func(int16, []byte) []byte {
	return edit(func(response *kmsg.ApiVersionsResponse) {
		response.ApiKeys = slices.DeleteFunc(response.ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return slices.Contains(apis, k.ApiKey) })
	})
}

// edit changes what the broker advertises. Refusals stay as they are.
func edit(change func(*kmsg.ApiVersionsResponse)) func(int16, []byte) []byte {
	return func(version int16, frame []byte) []byte {
		response := kmsg.NewPtrApiVersionsResponse()
		response.Version = version
		if response.ReadFrom(frame[4:]) != nil || response.ErrorCode != 0 {
			return frame
		}
		change(response)
		return response.AppendTo(frame[:4:4])
	}
}

// refuse treats requests of an API from a version on: it closes the connection, or swallows them.
func refuse(api, from int16, silently bool) func([]byte) (bool, []byte, error) {
	return func(frame []byte) (bool, []byte, error) {
		if len(frame) < 8 || apiOf(frame) != api || versionOf(frame) < from {
			return true, nil, nil
		}
		if silently {
			return false, nil, nil
		}
		return false, nil, errClose
	}
}

// wrongRefusal answers ApiVersions from version 3 on with error 35 in the layout of that version:
// a client can only read version 0's (KIP-511).
func wrongRefusal(frame []byte) (bool, []byte, error) {
	if apiOf(frame) != 18 || versionOf(frame) < 3 {
		return true, nil, nil
	}
	answer := append([]byte(nil), frame[4:8]...)
	answer = kbin.AppendInt16(answer, 35)
	answer = kbin.AppendCompactArrayLen(answer, 0)
	answer = kbin.AppendInt32(answer, 0)
	return false, append(answer, 0), nil
}

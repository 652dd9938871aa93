package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// headSize is how many bytes are read to recognize a capture. All magic numbers are in the
	// first 4. The others help to name another kind of file.
	headSize = 4096
	// headLeast is the number of bytes needed.
	headLeast = 4
)

// recognize reads the first bytes of f.src and sets f.parser. It accepts one level of
// compression.
func (f *file) recognize() error {
	if err := f.head(); err != nil {
		return err
	}
	format := ""
	for i := range codecs {
		if c := &codecs[i]; c.is(f.tail) {
			f.ahead = c.unpack(io.MultiReader(bytes.NewReader(bytes.Clone(f.tail)), f.raw))
			f.src, format = f.ahead, "+"+c.name
			if err := f.head(); err != nil {
				return err
			}
			break
		}
	}
	magic := binary.LittleEndian.Uint32(f.tail)
	if v, ok := pcapMagic(magic); ok {
		f.info.Format = "pcap" + format
		f.parser = &pcap{records: &f.records, pcapVariant: v}
		return nil
	}
	if magic == blockSection {
		f.info.Format = "pcapng" + format
		f.parser = &pcapng{records: &f.records}
		return nil
	}
	if f.ahead != nil {
		return fmt.Errorf("the %s stream holds no pcap or pcapng capture, %s", f.ahead.codec, looksLike(f.tail))
	}
	return fmt.Errorf("not a pcap or pcapng capture, %s", looksLike(f.tail))
}

// head reads the first bytes of f.src into f.tail.
func (f *file) head() error {
	if cap(f.tail) < headSize {
		f.tail = make([]byte, 0, headSize)
	}
	f.tail = f.tail[:0]
	for len(f.tail) < headLeast {
		n := f.read(f.tail[len(f.tail):headSize])
		f.tail = f.tail[:len(f.tail)+n]
		if f.end != nil {
			break
		}
	}
	if len(f.tail) >= headLeast {
		return nil
	}
	switch {
	case f.raw.err != nil:
		return f.raw.err
	case f.end != io.EOF && f.ahead != nil:
		return f.ahead.describe(f.end)
	case f.end != io.EOF:
		return f.end
	case f.ahead != nil:
		return fmt.Errorf("the %s stream holds %d bytes, too few for a capture", f.ahead.codec, len(f.tail))
	case len(f.tail) == 0:
		return errors.New("the file is empty")
	}
	return fmt.Errorf("not a pcap or pcapng capture, only %d bytes", len(f.tail))
}

func begins(magic string) func(data []byte) bool {
	return func(data []byte) bool { return strings.HasPrefix(string(data[:min(len(data), len(magic))]), magic) }
}

// looks are kinds of files that users give as captures, and what to do with them.
var looks = []struct{ magic, what string }{
	{"\x7fELF", "it looks like an ELF program"},
	{"MZ", "it looks like a Windows program"},
	{"PK\x03\x04", "it looks like a ZIP archive: unpack it first"},
	{"BZh", "it looks like a bzip2 stream: unpack it first, bzip2 -dc FILE | kafkavet analyze -"},
	{"\xfd7zXZ\x00", "it looks like an xz stream: unpack it first, xz -dc FILE | kafkavet analyze -"},
	{"7z\xbc\xaf\x27\x1c", "it looks like a 7z archive: unpack it first"},
	{"\x1f\x9d", "it looks like a stream of compress: unpack it first, zcat FILE | kafkavet analyze -"},
	{"\x02\x21\x4c\x18", "it looks like a legacy lz4 stream: unpack it first, lz4 -dc FILE | kafkavet analyze -"},
	{"\x1f\x8b", "it looks like a gzip stream: unpack it first, gzip -dc FILE | kafkavet analyze -"},
	{"\x28\xb5\x2f\xfd", "it looks like a zstd stream: unpack it first, zstd -dc FILE | kafkavet analyze -"},
	{"\x04\x22\x4d\x18", "it looks like an lz4 stream: unpack it first, lz4 -dc FILE | kafkavet analyze -"},
	{"snoop\x00\x00\x00", "it looks like a snoop capture: convert it first, editcap -F pcapng FILE OUT"},
	{"GMBU", "it looks like a Network Monitor capture: convert it first, editcap -F pcapng FILE OUT"},
	{"RTSS", "it looks like a Network Monitor capture: convert it first, editcap -F pcapng FILE OUT"},
	{"\x1c\x00\x01\xac", "it looks like an IXIA capture: convert it first, editcap -F pcapng FILE OUT"},
	{"%PDF-", "it looks like a PDF document"},
	{"HTTP/", "it looks like an HTTP response: keep the body alone"},
	{"<!DOCTYPE", "it looks like an HTML page"},
	{"<html", "it looks like an HTML page"},
	{"<?xml", "it looks like XML"},
	{"CLIENT_RANDOM ", "it looks like a TLS key log: give it with --tls-keylog"},
	{"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "it looks like a TLS key log: give it with --tls-keylog"},
	{"SERVER_HANDSHAKE_TRAFFIC_SECRET ", "it looks like a TLS key log: give it with --tls-keylog"},
	{"# SSL/TLS secrets log", "it looks like a TLS key log: give it with --tls-keylog"},
}

// looksLike names the kind of a file that is not a capture.
func looksLike(data []byte) string {
	for _, l := range looks {
		if begins(l.magic)(data) {
			return l.what
		}
	}
	const tarMagic = 257 // where "ustar" stands (POSIX pax, ustar header)
	switch {
	case len(data) > tarMagic && begins("ustar")(data[tarMagic:]):
		return "it looks like a tar archive: unpack it first"
	case len(bytes.TrimLeft(data, "\x00")) == 0:
		return "it begins with zero bytes"
	case isText(data):
		return "it looks like text"
	}
	return fmt.Sprintf("it begins with the bytes % x", data[:min(len(data), 8)])
}

// isText reports whether data is UTF-8 without control characters. It may end inside a
// character.
func isText(data []byte) bool {
	for utf8.FullRune(data) {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			return false
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' && r != '\x1b' {
			return false
		}
		data = data[n:]
	}
	return true
}

package capture

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

func TestWhatIsNoCaptureIsNamed(t *testing.T) {
	tar := append(append(make([]byte, 0, 512), "name"...), make([]byte, 253)...)
	tar = append(tar, "ustar\x0000"...)
	tests := map[string]struct{ data, err string }{
		"empty":                       {"", "the file is empty"},
		"two bytes":                   {"\xd4\xc3", "not a pcap or pcapng capture, only 2 bytes"},
		"text":                        {"17:02:01.123 IP 10.0.0.1.9092 > 10.0.0.2: Flags\n", "not a pcap or pcapng capture, it looks like text"},
		"text cut inside a character": {strings.Repeat("x", headSize-1) + "é", "not a pcap or pcapng capture, it looks like text"},
		"program":                     {"\x7fELF\x02\x01\x01", "not a pcap or pcapng capture, it looks like an ELF program"},
		"zip":                         {"PK\x03\x04\x14\x00", "not a pcap or pcapng capture, it looks like a ZIP archive: unpack it first"},
		"xz":                          {"\xfd7zXZ\x00\x00\x04", "not a pcap or pcapng capture, it looks like an xz stream: unpack it first, xz -dc FILE | kafkavet analyze -"},
		"key log":                     {"CLIENT_RANDOM 0123 4567\n", "not a pcap or pcapng capture, it looks like a TLS key log: give it with --tls-keylog"},
		"HTTP":                        {"HTTP/1.1 404 Not Found\r\n", "not a pcap or pcapng capture, it looks like an HTTP response: keep the body alone"},
		"login page":                  {"<!DOCTYPE html><title>Log in", "not a pcap or pcapng capture, it looks like an HTML page"},
		"snoop":                       {"snoop\x00\x00\x00\x00\x00\x00\x02", "not a pcap or pcapng capture, it looks like a snoop capture: convert it first, editcap -F pcapng FILE OUT"},
		"tar":                         {string(tar), "not a pcap or pcapng capture, it looks like a tar archive: unpack it first"},
		"zeros":                       {strings.Repeat("\x00", 5000), "not a pcap or pcapng capture, it begins with zero bytes"},
		"unknown":                     {"\xde\xad\xbe\xef\x00\x01\x02\x03\x04", "not a pcap or pcapng capture, it begins with the bytes de ad be ef 00 01 02 03"},
		"terminal":                    {"\x00\x1b[2J", "not a pcap or pcapng capture, it begins with the bytes 00 1b 5b 32 4a"},
		"pcap of an unknown kind":     {"\xa1\xb2\xc3\xd5\x00\x02\x00\x04", "not a pcap or pcapng capture, it begins with the bytes a1 b2 c3 d5 00 02 00 04"},
	}
	for name, tt := range tests {
		got := readFrom(t, strings.NewReader(tt.data))
		info := got.info(t)
		if want := "read capture -: " + tt.err; message(info.Err) != want || info.Torn != nil {
			t.Errorf("%s:\nerr  %v (torn %v)\nwant %s", name, info.Err, info.Torn, want)
		}
		if len(got.packets) != 0 || info.Format != "" {
			t.Errorf("%s: %d packets, format %q", name, len(got.packets), info.Format)
		}
	}
}

func TestFormatIsRecognisedByContentInPieces(t *testing.T) {
	packets := sample(2)
	for name, data := range encodings(packets) {
		got := readFrom(t, iotest.OneByteReader(bytes.NewReader(compress("gzip", data))))
		got.sound(t)
		if want := strings.Fields(name)[0] + "+gzip"; got.info(t).Format != want {
			t.Errorf("%s: format %q, want %q", name, got.info(t).Format, want)
		}
	}
}

func TestCaptureWithoutPacketsIsACapture(t *testing.T) {
	var b capturetest.Blocks
	b.Section()
	for name, data := range map[string][]byte{"pcap": capturetest.Pcap{Link: 1}.Encode(nil), "pcapng": b.Bytes} {
		got := readFrom(t, bytes.NewReader(data))
		got.sound(t)
		if info := got.info(t); info.Packets != 0 || info.Format != name || info.First != 0 || info.Last != 0 {
			t.Errorf("%s: info is %+v", name, info)
		}
	}
}

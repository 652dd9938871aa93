package report

import (
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// TestForeignToKafkaClients: an answer in another protocol counts only if the client sent Kafka.
func TestForeignToKafkaClients(t *testing.T) {
	request := capturetest.ApiVersionsRequest(0, 1, "app", "", "")
	negative := append([]byte{0xff, 0xff, 0xff, 0xff}, request[4:]...)
	for name, c := range map[string]struct {
		opening []byte
		want    bool
	}{"Kafka": {request, true}, "a size below 0": {negative, false}, "a size alone": {request[:4], false}, "HTTP": {[]byte("GET / HTTP/1.1\r\n\r\n"), false}} {
		conn := connectionOf(0, 1, 9, func(c *decode.Connection) {
			c.Protocol, c.Oddities.Spoke = reassembly.Other, reassembly.SpokeText
		})
		conn.Oddities.Opening = c.opening
		if _, got := foreign(conn); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

const (
	// commentDelay is how long packets wait for their findings. A request outside its range is
	// reported within ageInterval + 2 x pendingInterval = 1 s, and again after minInterval = 1 s.
	commentDelay = 2 * time.Second
	// maxHeld bounds the waiting packets, in bytes with heldOverhead each: 16 MiB. Beyond it, the
	// oldest are written without waiting.
	maxHeld      = 16 << 20
	heldOverhead = 96
	// maxComments bounds the comments that wait for their packets: 1,024 of some 200 bytes.
	maxComments = 1024
)

// commenter delays packets until it is known which findings they prove. It writes these findings
// as comments on them. write and close belong to the reading goroutine, add to the collecting one.
type commenter struct {
	save *saver
	now  func() time.Duration

	held []heldPacket
	size int

	mu sync.Mutex
	// comments are the texts by frame number. passed is the last frame that was written.
	comments map[uint64][]string
	passed   uint64
	// late are the texts about packets that were already written. The next packet gets them.
	late []string
	// seen is, by number of the finding, the last frame with a comment.
	seen map[int]uint64
}

type heldPacket struct {
	capture.Packet
	since time.Duration
}

func newCommenter(save *saver, now func() time.Duration) *commenter {
	return &commenter{save: save, now: now, comments: map[uint64][]string{}, seen: map[int]uint64{}}
}

func (c *commenter) add(news []model.News) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range news {
		n := &news[i]
		text := n.Finding.Code + " " + n.Finding.Title + ": " + write.Title(&n.Finding)
		for _, o := range n.Finding.Occurrences {
			if last, ok := c.seen[n.Number]; ok && o.Frame <= last {
				continue
			}
			c.seen[n.Number] = o.Frame
			switch {
			case len(c.comments)+len(c.late) >= maxComments:
			case o.Frame <= c.passed:
				c.late = append(c.late, fmt.Sprintf("frame %d: %s", o.Frame, text))
			default:
				c.comments[o.Frame] = append(c.comments[o.Frame], text)
			}
		}
	}
}

// write accepts packets and writes those that have waited long enough.
func (c *commenter) write(packets []capture.Packet) {
	now := c.now()
	for i := range packets {
		p := heldPacket{packets[i], now}
		p.Data = slices.Clone(p.Data)
		c.held = append(c.held, p)
		c.size += len(p.Data) + heldOverhead
	}
	n := 0
	for size := c.size; n < len(c.held) && (now-c.held[n].since >= commentDelay || size > maxHeld); n++ {
		size -= len(c.held[n].Data) + heldOverhead
	}
	c.flush(n)
}

// flush writes the first n waiting packets.
func (c *commenter) flush(n int) {
	out := make([]capture.Packet, n)
	comments := make([]string, n)
	c.mu.Lock()
	for i := range out {
		out[i] = c.held[i].Packet
		frame := out[i].Frame
		texts := append(c.comments[frame], c.late...)
		delete(c.comments, frame)
		c.late, c.passed = nil, frame
		comments[i] = strings.Join(texts, "; ")
		c.size -= len(out[i].Data) + heldOverhead
	}
	c.mu.Unlock()
	c.held = slices.Delete(c.held, 0, n)
	c.save.writeWith(out, comments)
}

func (c *commenter) close() error {
	c.flush(len(c.held))
	return c.save.close()
}

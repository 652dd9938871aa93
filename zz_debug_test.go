package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/history"
)

type dbg struct{ b *history.Book }

func (d dbg) Exchange(x *decode.Exchange)           { d.b.Exchange(x) }
func (d dbg) Advertisement(a *decode.Advertisement) { d.b.Advertisement(a) }
func (d dbg) Connection(c *decode.Connection)       { d.b.Connection(c) }

func TestDebug(t *testing.T) {
	for _, f := range flagArgs() {
		b := history.New(func(*history.Suspect, history.Ruling) {})
		p, err := newPipeline(&pipelineFlags{idle: 1 << 50}, streams{})
		if err != nil {
			t.Fatal(err)
		}
		src, err := capture.Open([]string{f}, capture.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.run(context.Background(), src, dbg{b}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("==", f)
		for i, r := range b.Decide() {
			x := &b.Suspects()[i].Exchange
			fmt.Println(x.Request.Frame, x.Stream, x.Key, x.Version, x.Verdict, x.Outcome, x.Took, x.ClientID, "->", r.Cause, r.From.Frame, r.To.Frame, r.Certain, r.Earlier.Frame)
		}
	}
}

func flagArgs() []string { return filepathsFromEnv() }
func filepathsFromEnv() (out []string) {
	for _, g := range strings.Fields(os.Getenv("DBG")) {
		m, _ := filepath.Glob(g)
		out = append(out, m...)
	}
	return
}

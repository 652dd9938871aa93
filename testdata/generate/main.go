// Command generate makes the small captures in testdata/captures that are not
// recordings of other programs: for every rule one on which it fires and a
// near miss, and those odd things that brokers and clients do.
//
//	cd testdata/generate && go run . [-only NAME] [-o DIR]
//	cd testdata/generate && go run . -oracle     # what tshark sees in them
//	cd testdata/generate && go run . -list       # the table of testdata/README.md
//
// A scene is either written frame by frame (the same bytes every time; the
// test of this module holds them against the files), or played by a real
// client, franz-go, against the fake broker kfake or openssl, and recorded
// at the client's socket. This is a module of its own so that neither of
// them becomes a dependency of kafkavet.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// A scene is one capture. Its name begins with the rule that it is for and
// "fires" or "near".
type scene struct {
	name string
	// by made it: the client and the server that played it. For none, scenes fills in "frames".
	by string
	// holds says what is in it, yields what must be said of it.
	holds, yields string
	play          func(s *stage) error
	// files is the number of files that it is cut into; 0 is one.
	files int
	// blind says why tshark's view of it is no oracle; empty where it is one.
	blind string
}

// maxSize is the size in bytes that a capture may have, so that the
// repository stays small.
const maxSize = 30_000

// scenes are all scenes, in the order of the documentation.
func scenes() []scene {
	all := slices.Concat(versionScenes(), negotiationScenes(), securityScenes(), targetScenes(), qualityScenes(), prefaceScenes(), endingScenes(), causeScenes(), foreignScenes(), oddScenes(), otherScenes(), diagnosisScenes())
	for i := range all {
		all[i].by = cmp.Or(all[i].by, "frames")
	}
	return all
}

func main() {
	only := flag.String("only", "", "make this scene alone")
	dir := flag.String("o", "../captures", "the directory to write to")
	list := flag.Bool("list", false, "print the scenes as a Markdown table instead")
	oracle := flag.Bool("oracle", false, "ask tshark about the captures instead, and write its answers to ../oracle")
	flag.Parse()
	if *list {
		printTable()
		return
	}
	work := func() error { return generate(*dir, *only) }
	if *oracle {
		work = func() error { return oracles(*dir, filepath.Join(*dir, "..", "oracle")) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// printTable prints the scenes for testdata/README.md.
func printTable() {
	fmt.Println("| capture | made by | what is in it | what it must yield |")
	fmt.Println("|---|---|---|---|")
	for _, s := range scenes() {
		fmt.Printf("| `%s` | %s | %s | %s |\n", s.name, s.by, s.holds, s.yields)
	}
}

// generate makes the scenes and writes them.
func generate(dir, only string) error {
	made := 0
	for _, s := range scenes() {
		if only != "" && s.name != only {
			continue
		}
		files, err := s.record()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				return err
			}
			fmt.Printf("%-55s %6d bytes\n", name, len(data))
		}
		made++
	}
	if made == 0 {
		return fmt.Errorf("-only %q is no scene", only)
	}
	return nil
}

// record plays a scene and returns its files by name.
func (s scene) record() (map[string][]byte, error) {
	st := &stage{Recorder: capturetest.NewRecorder()}
	if err := s.play(st); err != nil {
		return nil, err
	}
	if len(st.Packets) == 0 {
		return nil, errors.New("no packets were recorded")
	}
	files := map[string][]byte{}
	if slices.ContainsFunc(st.Packets, func(p capturetest.Packet) bool { return p.Comment != "" }) {
		files[s.name+".pcapng"] = capturetest.Pcapng{}.Encode(st.Packets)
	} else if s.files < 2 {
		files[s.name+".pcap"] = capturetest.Pcap{}.Encode(st.Packets)
	} else {
		for i := range s.files {
			from, to := i*len(st.Packets)/s.files, (i+1)*len(st.Packets)/s.files
			files[fmt.Sprintf("%s-%d.pcap", s.name, i+1)] = capturetest.Pcap{}.Encode(st.Packets[from:to])
		}
	}
	if len(st.keyLog) > 0 {
		files[s.name+".keys"] = st.keyLog
	}
	for name, data := range files {
		if len(data) > maxSize {
			return nil, fmt.Errorf("%s has %d bytes, at most %d are allowed", name, len(data), maxSize)
		}
	}
	return files, nil
}

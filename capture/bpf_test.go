package capture

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"
)

func TestReadBPFReadsWhatTcpdumpPrints(t *testing.T) {
	got, err := ReadBPF(strings.NewReader("# tcp\n\n 4 \n40 0 0 12\n21 0 1 2048\r\n6 0 0 262144\n6\t0 0 0\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []bpf.RawInstruction{{Op: 40, K: 12}, {Op: 21, Jf: 1, K: 2048}, {Op: 6, K: 262144}, {Op: 6}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadBPFSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "empty",
		"# only this\n":                 "empty",
		"tcp port 9092\n":               "line 1: \"tcp port 9092\" is not the number of instructions",
		"0\n":                           "line 1: \"0\" is not the number",
		"-1\n":                          "line 1",
		"4097\n":                        "from 1 to 4096",
		"1 2\n":                         "line 1",
		"2\n6 0 0 0\n":                  "ends after 1 of 2",
		"1\n6 0 0 0\n6 0 0 0\n":         "line 3: more than the 1 instructions",
		"1\n6 0 0\n":                    "line 2: 3 numbers, expected 4",
		"1\n6 0 0 x\n":                  "line 2: \"x\" is not a number from 0 to 4294967295",
		"1\n6 256 0 0\n":                "line 2: \"256\" is not a number from 0 to 255",
		"1\n6 0 0 -1\n":                 "line 2: \"-1\"",
		"1\n6 0 0 4294967296\n":         "line 2",
		"1\n65536 0 0 0\n":              "line 2",
		"#" + strings.Repeat("x", 5000): "a line is longer",
	} {
		if _, err := ReadBPF(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error is %v, want %q in it", text, err, want)
		}
	}
	broken := errors.New("broken pipe")
	if _, err := ReadBPF(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error is %v, want that of the reader", err)
	}
}

// FuzzReadBPF: every program read can be adapted.
func FuzzReadBPF(f *testing.F) {
	f.Add([]byte("4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n"))
	f.Add([]byte("3\n177 0 0 14\n80 0 0 14\n22 0 0 0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		raw, err := ReadBPF(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		for _, cooked := range []bool{false, true} {
			adapted, err := adaptBPF(raw, 96, cooked)
			if err != nil {
				if !cooked {
					t.Errorf("%v", err)
				}
				continue
			}
			if len(adapted) != len(raw) {
				t.Errorf("%d instructions adapted to %d", len(raw), len(adapted))
			}
		}
	})
}

func TestBPFForCookedPacketsIsAdapted(t *testing.T) {
	load := func(op uint16, k uint32) []bpf.RawInstruction {
		return []bpf.RawInstruction{{Op: op, K: k}, {Op: 6, K: 262144}}
	}
	for _, c := range []struct {
		op      uint16
		k, want uint32
	}{
		{0x28, 0, 0xfffff000}, {0x20, 4, 0xfffff008}, {0x28, 8, 0xfffff01c}, {0x30, 10, 0xfffff004},
		{0x28, 20, 0}, {0x48, 22, 2}, {0xb1, 20, 0}, {0x28, 0xfffff02c, 0xfffff02c},
		{0x00, 20, 20}, {0x01, 20, 20}, {0x60, 3, 3}, {0x80, 0, 0},
	} {
		got, err := adaptBPF(load(c.op, c.k), 96, true)
		want := []bpf.RawInstruction{{Op: c.op, K: c.want}, {Op: 6, K: 96}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("code %#x, k %d: %v %s", c.op, c.k, err, diff)
		}
	}
	for _, k := range []uint32{2, 12, 19} {
		if _, err := adaptBPF(load(0x28, k), 96, true); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("byte %d of the LINUX_SLL2 header", k)) {
			t.Errorf("byte %d of the header: error is %v", k, err)
		}
	}
}

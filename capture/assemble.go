package capture

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// program assembles a BPF program. Jumps go forward to labels at any distance. If a label is
// beyond the 8 bits of a conditional jump, an unconditional jump follows it.
type program struct {
	parts []part
	// places holds for each label the index of the part after it.
	places []int
}

// part is an instruction, or a conditional jump to labels.
type part struct {
	ins     bpf.Instruction // nil for a jump
	test    bpf.JumpTest
	val     uint32
	yes, no label
	long    bool
}

type label int

// next is the label of the instruction after the jump.
const next label = -1

// longJump is the number of instructions of a conditional jump to a label beyond 8 bits.
const longJump = 3

func (p *program) label() label {
	p.places = append(p.places, -1)
	return label(len(p.places) - 1)
}

// place defines l as the current place.
func (p *program) place(l label) { p.places[l] = len(p.parts) }

func (p *program) add(ins ...bpf.Instruction) {
	for _, i := range ins {
		p.parts = append(p.parts, part{ins: i})
	}
}

// jump compares A with val.
func (p *program) jump(test bpf.JumpTest, val uint32, yes, no label) {
	p.parts = append(p.parts, part{test: test, val: val, yes: yes, no: no})
}

func (p *program) equal(val uint32, yes, no label) { p.jump(bpf.JumpEqual, val, yes, no) }

func (p *program) always(l label) { p.parts = append(p.parts, part{yes: l, no: l}) }

// assemble resolves the labels.
func (p *program) assemble() ([]bpf.RawInstruction, error) {
	at := p.stretch()
	if n := at[len(p.parts)]; n > maxProgram {
		return nil, fmt.Errorf("the filter needs %d instructions, the limit is %d: name fewer ports and networks, or larger networks", n, maxProgram)
	}
	var code []bpf.Instruction
	for i, j := range p.parts {
		distance := func(l label, from int) uint32 {
			if l == next {
				return uint32(at[i+1] - from - 1)
			}
			return uint32(at[p.places[l]] - from - 1)
		}
		switch {
		case j.ins != nil:
			code = append(code, j.ins)
		case j.yes == j.no:
			code = append(code, bpf.Jump{Skip: distance(j.yes, at[i])})
		case j.long:
			code = append(code, bpf.JumpIf{Cond: j.test, Val: j.val, SkipTrue: 0, SkipFalse: 1},
				bpf.Jump{Skip: distance(j.yes, at[i]+1)}, bpf.Jump{Skip: distance(j.no, at[i]+2)})
		default:
			code = append(code, bpf.JumpIf{
				Cond: j.test, Val: j.val,
				SkipTrue: uint8(distance(j.yes, at[i])), SkipFalse: uint8(distance(j.no, at[i])),
			})
		}
	}
	return bpf.Assemble(code)
}

// stretch makes jumps long where necessary, and returns the final place of each part. A long
// jump can move other labels out of reach, so it repeats until none is.
func (p *program) stretch() []int {
	at := make([]int, len(p.parts)+1)
	for again := true; again; {
		again = false
		for i, j := range p.parts {
			at[i+1] = at[i] + 1
			if j.long {
				at[i+1] = at[i] + longJump
			}
		}
		for i := range p.parts {
			j := &p.parts[i]
			if j.ins != nil || j.long || j.yes == j.no {
				continue
			}
			for _, l := range [...]label{j.yes, j.no} {
				if l != next && at[p.places[l]]-at[i]-1 > 255 {
					j.long, again = true, true
				}
			}
		}
	}
	return at
}

package capture

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// program assembles a BPF program. Only unconditional jumps reach any distance, so every jump to a
// label is one. A conditional jump before it decides whether it runs.
type program struct {
	code []bpf.Instruction
	// jumps are the unconditional jumps. places holds for each label the index in code of the
	// instruction after it.
	jumps  []jump
	places []int
}

// jump is the jump at an index of code.
type jump struct {
	at int
	to jumpLabel
}

type jumpLabel int

// next is the label of the instruction after a jump.
const next jumpLabel = -1

func (p *program) label() jumpLabel {
	p.places = append(p.places, -1)
	return jumpLabel(len(p.places) - 1)
}

// place defines l as the current place.
func (p *program) place(l jumpLabel) { p.places[l] = len(p.code) }

func (p *program) add(ins ...bpf.Instruction) { p.code = append(p.code, ins...) }

// jump compares A with val.
func (p *program) jump(test bpf.JumpTest, val uint32, yes, no jumpLabel) {
	if yes == next {
		p.add(bpf.JumpIf{Cond: test, Val: val, SkipTrue: 1})
	} else {
		p.add(bpf.JumpIf{Cond: test, Val: val, SkipFalse: 1})
		p.always(yes)
	}
	if no != next {
		p.always(no)
	}
}

func (p *program) equal(val uint32, yes, no jumpLabel) { p.jump(bpf.JumpEqual, val, yes, no) }

func (p *program) always(l jumpLabel) {
	p.jumps = append(p.jumps, jump{len(p.code), l})
	p.add(bpf.Jump{})
}

// assemble resolves the labels.
func (p *program) assemble() ([]bpf.RawInstruction, error) {
	if n := len(p.code); n > maxProgram {
		return nil, fmt.Errorf("the filter needs %d instructions, the limit is %d: name fewer ports and networks, or larger networks", n, maxProgram)
	}
	for _, j := range p.jumps {
		p.code[j.at] = bpf.Jump{Skip: uint32(p.places[j.to] - j.at - 1)}
	}
	return bpf.Assemble(p.code)
}

package capture

import (
	"cmp"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"sync/atomic"
)

// Options configure how captures are read.
type Options struct {
	// Stdin is the input for the path "-".
	Stdin io.Reader
	// Secrets receives the decryption secrets blocks of pcapng files. The goroutine that calls
	// Next calls it after it returned the packets before the block, and before those after it.
	// Open calls it for secrets at the start of standard input. May be nil.
	Secrets func(Secret)
}

// Secret is a part of a decryption secrets block (draft-ietf-opsawg-pcapng, 4.7).
type Secret struct {
	// Path is the capture, and After the number of packets in it before the block.
	Path  string
	After uint64
	// Kind is the type of the secrets: 0x544c534b for a TLS key log.
	Kind uint32
	// Text consists of complete lines, unless a line is longer than 64 KiB. It is valid only
	// during the call.
	Text []byte
}

// Files is a Source that reads capture files. It merges files that overlap in time by time, and
// reads the others one after the other.
type Files struct {
	opt Options
	// inputs are ordered by their first packets; the first next ones are already open or
	// finished.
	inputs []*input
	next   int
	// rereadable are the paths of the inputs that can be read more than once.
	rereadable []string
	// infos has an entry for each input; the first next ones are in use.
	infos []Info
	// active are the open inputs, at most maxMerged.
	active []*cursor
	// tail is memory that one file passes to the next.
	tail []byte
	// latest is the time of the last packet from merge.
	latest int64
	// done counts the bytes read on disk; total is their final sum, -1 if unknown.
	done  atomic.Int64
	total int64
}

var _ Source = (*Files)(nil)

type input struct {
	path string
	// size is its length on disk; -1 for a pipe or a device, which can be read only once.
	size int64
	// first is the time of its first packet, corrected by shift.
	first int64
	// shift is Info.ClockOffset, reference the input of Info.ClockOf.
	shift     int64
	reference *input
	// clock holds the clock data of its first packets while inputs are compared.
	clock *clockProbe
	// index is its index in Files.infos.
	index uint32
	// begun is the open file of an input that can be read only once.
	begun *begunFile
}

// begunFile is an open file with its first batch.
type begunFile struct {
	*file
	info  Info
	batch Batch
}

// peekSize is the memory used to find the first packet of a file.
const peekSize = 64 << 10

// Open returns the captures at paths as one source, ordered by their first packets; those
// without packets are last. "-" is opt.Stdin. A file is opened when it is read. An error means
// that the paths are not valid; an error of a single capture is in its Info.
//
// With more than one path, Open waits for the first packet of standard input and of each pipe.
func Open(paths []string, opt Options) (*Files, error) {
	if len(paths) == 0 {
		return nil, errors.New("no capture to read")
	}
	s := &Files{opt: opt, infos: make([]Info, len(paths))}
	stdin := 0
	for _, path := range paths {
		in := &input{path: path, size: -1, first: math.MaxInt64}
		if path == "-" {
			stdin++
		} else if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			in.size = st.Size()
			s.rereadable = append(s.rereadable, path)
		} else if err != nil || st.IsDir() {
			in.size = 0 // it cannot be read
		}
		s.inputs = append(s.inputs, in)
		if s.total >= 0 && in.size >= 0 {
			s.total += in.size
		} else {
			s.total = -1
		}
	}
	switch {
	case stdin > 1:
		return nil, errors.New("- is given twice as a capture: standard input can be read only once")
	case stdin == 1 && opt.Stdin == nil:
		return nil, errors.New("-: there is no standard input")
	}
	if len(paths) > 1 {
		s.order()
	}
	for i, in := range s.inputs {
		in.index = uint32(i)
	}
	return s, nil
}

// order compares the clocks and sorts the inputs by their first packets.
func (s *Files) order() {
	var b Batch
	for i, in := range s.inputs {
		s.peek(in, &b, newClockProbe(i))
	}
	byTime := func(a, b *input) int { return cmp.Compare(a.first, b.first) }
	slices.SortStableFunc(s.inputs, byTime)
	if compareClocks(s.inputs) {
		slices.SortStableFunc(s.inputs, byTime)
	}
}

// peek finds the time of the first packet of in, and passes the first packets to probe. b is
// scratch memory.
func (s *Files) peek(in *input, b *Batch, probe *clockProbe) {
	in.clock = probe
	if in.size < 0 {
		in.begun = &begunFile{}
		in.begun.file = s.begin(in, &in.begun.info, &s.done, s.opt.Secrets)
		b = &in.begun.batch
		if in.begun.fill(b) {
			in.first = b.Packets[0].Time
			probe.add(b.Packets)
		}
		return
	}
	f := s.begin(in, &Info{Path: in.path}, new(atomic.Int64), nil)
	f.readSize = peekSize
	for f.fill(b) {
		in.first = min(in.first, b.Packets[0].Time)
		if !probe.add(b.Packets) || f.raw.n.Load() > probeBytes {
			break
		}
	}
	s.tail = f.tail
	_ = f.close() // a later read finds the same error
}

// EachSecret calls handle with all decryption secrets blocks of the captures, as
// Options.Secrets, also with those after the packets that Next returned. It skips captures that
// can be read only once. It reads all pcapng files from beginning to end. Any goroutine may call
// it.
func (s *Files) EachSecret(handle func(Secret)) {
	var b Batch
	for _, path := range s.rereadable {
		f := &file{records: records{info: &Info{Path: path}, secrets: handle}, readSize: readSize}
		if f.open(path, nil, new(atomic.Int64)) == nil && f.recognize() == nil {
			if _, ok := f.parser.(*pcapng); ok {
				for f.fill(&b) {
				}
			}
		}
		_ = f.close() // the read for packets finds the same error
	}
}

// Comment returns Info.Comment of the capture file at path, empty if it cannot be read.
func Comment(path string) string {
	var b Batch
	info := Info{Path: path}
	f := &file{records: records{info: &info}, readSize: peekSize}
	if f.open(path, nil, new(atomic.Int64)) == nil && f.recognize() == nil {
		f.fill(&b)
	}
	_ = f.close() // the read for packets finds the same error
	return info.Comment
}

// begin opens in. A file that cannot be read has no parser, and an error in its info.
func (s *Files) begin(in *input, info *Info, read *atomic.Int64, secrets func(Secret)) *file {
	*info = Info{Path: in.path}
	f := &file{records: records{info: info, secrets: secrets}, tail: s.tail, readSize: readSize}
	s.tail = nil
	err := f.open(in.path, s.opt.Stdin, read)
	if err == nil {
		err = f.recognize()
	}
	if err != nil {
		f.fail(err)
	}
	return f
}

func (f *file) open(path string, stdin io.Reader, read *atomic.Int64) error {
	f.raw = &counter{r: stdin, read: read}
	f.src = f.raw
	if path == "-" {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return Cause(err)
	}
	f.closer, f.raw.r = file, file
	if st, err := file.Stat(); err == nil && st.IsDir() {
		return errIsDirectory
	}
	return nil
}

var errIsDirectory = errors.New("is a directory")

// Captures implements Source. The goroutine that calls Next may call it; any goroutine may after
// Next returned io.EOF.
func (s *Files) Captures() []Info {
	infos := slices.Clone(s.infos[:s.next])
	for i := range infos {
		infos[i].LinkTypes = slices.Clone(infos[i].LinkTypes)
		infos[i].Interfaces = slices.Clone(infos[i].Interfaces)
	}
	return infos
}

// Paths returns the paths of the captures in the order of Captures. It may be called before Next.
func (s *Files) Paths() []string {
	paths := make([]string, len(s.inputs))
	for i, in := range s.inputs {
		paths[i] = in.path
	}
	return paths
}

// Progress returns how many bytes on disk were read so far, and their total, -1 if it is unknown
// (standard input). Any goroutine may call it.
func (s *Files) Progress() (done, total int64) {
	done = s.done.Load()
	if s.total >= 0 {
		done = min(done, s.total) // files can grow, and be read ahead
	}
	return done, s.total
}

// Close implements Source.
func (s *Files) Close() error {
	var errs []error
	for _, c := range s.active {
		errs = append(errs, c.close())
	}
	s.active = nil
	for _, in := range s.inputs[s.next:] {
		if in.begun != nil {
			errs = append(errs, in.begun.close())
		}
	}
	s.inputs = s.inputs[:s.next]
	return errors.Join(errs...)
}

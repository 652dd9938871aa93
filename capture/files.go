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

// Options say how captures are read.
type Options struct {
	// Stdin is what the path "-" stands for.
	Stdin io.Reader
	// Secrets is called with what the decryption secrets blocks of pcapng
	// files hold: kind is the type of the secrets (0x544c534b for a TLS key
	// log), text a piece of them that is only valid during the call. A piece
	// consists of whole lines, unless a line is longer than 64 KiB. It is
	// called by the goroutine that calls Next (or Open, for secrets that
	// standard input begins with), when the packets before the block have been
	// returned and those that follow have not. May be nil.
	Secrets func(kind uint32, text []byte)
}

// Files is a Source that reads capture files. Those that overlap in time are merged by
// time, the others are read one after the other.
type Files struct {
	opt Options
	// inputs are ordered by their first packets; the first next ones have been begun.
	inputs []*input
	next   int
	// again are the paths of the inputs that can be read more than once.
	again []string
	// infos has a place for each input; the first next ones are in use.
	infos []Info
	// active are the inputs that are being read, at most maxMerged.
	active []*cursor
	// tail is memory that files hand on to each other.
	tail []byte
	// latest is the time of the last packet that merge has returned.
	latest int64
	// done counts the bytes read on disk, total is their sum, -1 when not known.
	done  atomic.Int64
	total int64
}

var _ Source = (*Files)(nil)

// input is a file to be read.
type input struct {
	path string
	// size is its length on disk; -1 for what can be read only once: a pipe or a device.
	size int64
	// first is the time of its first packet, corrected by shift.
	first int64
	// shift and reference are its Info.ClockOffset, and the input that ClockOf stands for.
	shift     int64
	reference *input
	// clock holds what its first packets say of the clock while inputs are compared.
	clock *clockProbe
	// index is its index in Files.infos.
	index uint32
	// begun is the file, where it can be read only once and has been begun.
	begun *begunFile
}

// begunFile is a file with its first batch.
type begunFile struct {
	*file
	info  Info
	batch Batch
}

// peekSize is the memory with which the first packet of a file is looked for.
const peekSize = 64 << 10

// Open returns the captures with the given paths as one source, ordered by
// their first packets; those without one come last. "-" is opt.Stdin. Files
// are opened when they are read, one at a time. An error means that paths do
// not make sense; what is wrong with a single capture stands in its Info.
//
// With more than one path, Open waits for the first packet of each one that is
// standard input or a pipe.
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
			s.again = append(s.again, path)
		} else if err != nil || st.IsDir() {
			in.size = 0 // nothing will be read
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
		return nil, errors.New("- stands among the captures twice: standard input can be read once")
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

// order sorts the inputs by their first packets, when their clocks were compared.
func (s *Files) order() {
	var b Batch
	var clocks clockTable
	for i, in := range s.inputs {
		s.peek(in, &b, clocks.file(i))
	}
	byTime := func(a, b *input) int { return cmp.Compare(a.first, b.first) }
	slices.SortStableFunc(s.inputs, byTime)
	if clocks.compare(s.inputs) {
		slices.SortStableFunc(s.inputs, byTime)
	}
}

// peek finds out the time of the first packet of in, and gives the first packets to
// the probe of its clock. b is memory to do so.
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
	_ = f.close() // what is wrong with it is found again when it is read
}

// EachSecret calls handle with all that the decryption secrets blocks of the
// captures hold, as Options.Secrets, also with those that Next has not come
// to. Captures that can be read only once are left out. It reads the pcapng files
// among them from beginning to end, and may be called by any goroutine.
func (s *Files) EachSecret(handle func(kind uint32, text []byte)) {
	var b Batch
	for _, path := range s.again {
		f := &file{records: records{info: &Info{Path: path}, secrets: handle}, readSize: readSize}
		if f.open(path, nil, new(atomic.Int64)) == nil && f.recognize() == nil {
			if _, ok := f.parser.(*pcapng); ok {
				for f.fill(&b) {
				}
			}
		}
		_ = f.close() // what is wrong with it is found when it is read for its packets
	}
}

// Comment returns Info.Comment of the capture file at path, empty where it cannot be read.
func Comment(path string) string {
	var b Batch
	info := Info{Path: path}
	f := &file{records: records{info: &info}, readSize: peekSize}
	if f.open(path, nil, new(atomic.Int64)) == nil && f.recognize() == nil {
		f.fill(&b)
	}
	_ = f.close() // what is wrong with it is found when it is read for its packets
	return info.Comment
}

// begin opens in. A file that cannot be read has no parser, and its info says why.
func (s *Files) begin(in *input, info *Info, read *atomic.Int64, secrets func(uint32, []byte)) *file {
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

// open opens the input of f.
func (f *file) open(path string, stdin io.Reader, read *atomic.Int64) error {
	f.raw = &counter{r: stdin, read: read}
	f.src = f.raw
	if path == "-" {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return cause(err)
	}
	f.closer, f.raw.r = file, file
	if st, err := file.Stat(); err == nil && st.IsDir() {
		return errIsDirectory
	}
	return nil
}

var errIsDirectory = errors.New("is a directory")

// Captures implements Source. It may be called by the goroutine that calls
// Next, or after Next has returned io.EOF.
func (s *Files) Captures() []Info {
	infos := slices.Clone(s.infos[:s.next])
	for i := range infos {
		infos[i].LinkTypes = slices.Clone(infos[i].LinkTypes)
		infos[i].Interfaces = slices.Clone(infos[i].Interfaces)
	}
	return infos
}

// Paths are the paths of the captures in the order of Captures. It may be called before Next.
func (s *Files) Paths() []string {
	paths := make([]string, len(s.inputs))
	for i, in := range s.inputs {
		paths[i] = in.path
	}
	return paths
}

// Progress tells how many bytes were read so far, as they are on disk, and
// how many there are, -1 when that is not known (standard input). It may be
// called by any goroutine.
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

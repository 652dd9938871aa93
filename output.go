package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// fileOpener opens every file that a command writes. As root it never follows a link. It writes to
// a device or a pipe only if the user named it.
type fileOpener struct {
	// mode is the permissions of new files, regardless of the umask.
	mode fs.FileMode
	// isRoot says not to follow links: the owner of a directory could create one in it.
	isRoot bool
	// stdout is stderr where standard output belongs to others.
	stdout, stderr io.Writer
}

type output struct {
	w io.Writer
	// name is used in messages.
	name string
	// file is closed at the end; nil for standard output.
	file *os.File
	// place is the final name of file, temp its temporary name. temp is empty once the file has
	// its final name, and for devices and pipes.
	place dirFile
	temp  string
}

// dirFile is a name in an open directory. Nobody can replace an open directory.
type dirFile struct {
	dir  *os.Root
	name string
}

// open opens path; empty or "-" is standard output. commit or appear gives a file its name. Errors
// are returned before any work is done.
func (o fileOpener) open(path string) (*output, error) {
	if path == "" || path == "-" {
		return o.standardOutput(), nil
	}
	out, err := o.openFile(path)
	if err != nil {
		return nil, writeError(path, err)
	}
	out.name, out.w = path, out.file
	return out, nil
}

func (o fileOpener) standardOutput() *output {
	if o.stdout == o.stderr {
		return &output{w: o.stdout, name: "standard error"}
	}
	return &output{w: o.stdout, name: "standard output"}
}

func (o fileOpener) openFile(path string) (*output, error) {
	if n, ok := descriptor(path); ok {
		f, err := duplicate(n, path)
		return &output{file: f}, err
	}
	p, err := o.place(path)
	if err != nil {
		return nil, err
	}
	st, err := p.dir.Lstat(p.name)
	switch {
	case err == nil && st.Mode()&fs.ModeSymlink != 0:
		_ = p.dir.Close() // nothing was written
		return o.openLink(path)
	case err == nil && st.IsDir():
		err = errIsDirectory
	case err == nil && o.isRoot && st.Mode()&fs.ModeNamedPipe != 0 && !ownedByRoot(st):
		err = errors.New("is a pipe of another user, which root does not write to; give --user, or standard output")
	case err == nil && !st.Mode().IsRegular():
		defer p.dir.Close()
		f, err := openSame(p, st)
		return &output{file: f}, err
	case err == nil || errors.Is(err, fs.ErrNotExist):
		out := &output{place: p}
		if out.file, out.temp, err = o.createTemp(p); err == nil {
			return out, nil
		}
	}
	_ = p.dir.Close() // it was not written to
	return nil, err
}

var errIsDirectory = errors.New("is a directory")

// openLink opens the target of a link and keeps the link.
func (o fileOpener) openLink(path string) (*output, error) {
	if o.isRoot {
		return nil, errors.New("is a symbolic link, which root does not follow; name the file itself")
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	if st, err := os.Lstat(target); err != nil || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("is a symbolic link to %s, which is not a file; name it itself", target)
	}
	return o.openFile(target)
}

// openSame opens a device or a pipe if it is still the one that was checked.
func openSame(p dirFile, looked fs.FileInfo) (*os.File, error) {
	f, err := p.dir.OpenFile(p.name, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !os.SameFile(st, looked) {
		_ = f.Close() // it was not written to
		return nil, errors.New("was replaced while it was opened")
	}
	return f, nil
}

// create creates a new file, which appears at once.
func (o fileOpener) create(p dirFile) (*output, error) {
	f, err := p.dir.OpenFile(p.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, o.mode)
	if err == nil {
		err = f.Chmod(o.mode)
	}
	return &output{w: f, file: f, name: p.name}, err
}

func (o fileOpener) createTemp(p dirFile) (*os.File, string, error) {
	const tries = 100
	for n := 0; ; n++ {
		name := fmt.Sprintf(".%s.%08x", p.name, rand.Uint32())
		out, err := o.create(dirFile{p.dir, name})
		if err == nil || !errors.Is(err, fs.ErrExist) || n == tries {
			return out.file, name, err
		}
	}
}

// another opens a new file in the directory of an open one, with the same final name. The open
// file still gets its name when it is committed. The sandbox allows no other access to the
// directory.
func (o fileOpener) another(open *output) (*output, error) {
	dir, err := open.place.dir.OpenRoot(".")
	if err != nil {
		return nil, writeError(open.name, err)
	}
	out := &output{name: open.name, place: dirFile{dir, open.place.name}}
	if out.file, out.temp, err = o.createTemp(out.place); err != nil {
		out.close()
		return nil, writeError(open.name, err)
	}
	out.w = out.file
	return out, nil
}

func (o fileOpener) place(path string) (p dirFile, err error) {
	dir, name := filepath.Split(path)
	if name == "" || name == "." || name == ".." {
		return p, errIsDirectory
	}
	if o.isRoot {
		p.dir, err = openTrusted(dir)
	} else {
		p.dir, err = os.OpenRoot(filepath.Clean(dir))
	}
	p.name = name
	return p, err
}

// maxLinks bounds the links in a path, as Linux does.
const maxLinks = 40

// openTrusted opens a directory component by component. It follows only links that root owns,
// because no other user can create them.
func openTrusted(dir string) (*os.Root, error) {
	if !filepath.IsAbs(dir) {
		here, err := os.Getwd()
		if err == nil {
			here, err = filepath.EvalSymlinks(here) // the shell may have used a link to come here
		}
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(here, dir)
	}
	root := filepath.VolumeName(dir) + string(filepath.Separator)
	at, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	links, walked := 0, root
	rest := strings.Split(filepath.Clean(dir), string(filepath.Separator))
	for len(rest) > 0 {
		name := rest[0]
		if rest = rest[1:]; name == "" || name+string(filepath.Separator) == root {
			continue
		}
		link, next, err := openStep(at, name)
		_ = at.Close() // nothing was written to it
		switch {
		case err != nil:
			return nil, err
		case link == "":
			at, walked = next, filepath.Join(walked, name)
			continue
		case links == maxLinks:
			return nil, errors.New("too many links on the way")
		}
		links++
		if !filepath.IsAbs(link) {
			link = filepath.Join(walked, link)
		}
		rest = append(strings.Split(filepath.Clean(link), string(filepath.Separator)), rest...)
		if at, err = os.OpenRoot(root); err != nil {
			return nil, err
		}
		walked = root
	}
	return at, nil
}

// openStep opens a directory in at, or returns the target of a link.
func openStep(at *os.Root, name string) (link string, next *os.Root, err error) {
	st, err := at.Lstat(name)
	if err != nil {
		return "", nil, err
	}
	if st.Mode()&fs.ModeSymlink != 0 {
		if !ownedByRoot(st) {
			return "", nil, fmt.Errorf("%s on the way is a symbolic link of another user, which root does not follow", filepath.Join(at.Name(), name))
		}
		link, err = at.Readlink(name)
		return link, nil, err
	}
	if next, err = at.OpenRoot(name); err != nil {
		return "", nil, err
	}
	if now, err := next.Stat("."); err != nil || !os.SameFile(st, now) {
		_ = next.Close() // it was not written to
		return "", nil, fmt.Errorf("%s was replaced while it was opened", filepath.Join(at.Name(), name))
	}
	return "", next, nil
}

func descriptor(path string) (n int, ok bool) {
	switch path {
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if text, found := strings.CutPrefix(path, dir); found {
			n, err := strconv.Atoi(text)
			return n, err == nil && n >= 0
		}
	}
	return 0, false
}

// appear gives the file its final name, replacing another file. Later writes also go to it.
func (o *output) appear() error {
	if o.temp == "" {
		return nil
	}
	if err := o.place.dir.Rename(o.temp, o.place.name); err != nil {
		temp := filepath.Join(filepath.Dir(o.name), o.temp)
		o.temp = "" // keep the temporary file
		if _, missing := os.Lstat(temp); missing != nil {
			return writeError(o.name, err) // it was deleted with its directory
		}
		return fmt.Errorf("write %s: %w; it is in %s", o.name, reason(err), temp)
	}
	o.temp = ""
	return nil
}

// commit closes the file and gives it its final name.
func (o *output) commit() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	if err != nil {
		o.abandon()
		return writeError(o.name, err)
	}
	err = o.appear()
	o.close()
	return err
}

// finish is commit, unless writing the file failed with an error.
func (o *output) finish(err error) error {
	if err != nil {
		return writeError(o.name, err)
	}
	return o.commit()
}

// abandon removes a file without its final name.
func (o *output) abandon() {
	if o.temp != "" {
		_ = o.place.dir.Remove(o.temp) // a remaining temporary file does no harm
		o.temp = ""
	}
	o.close()
}

func (o *output) close() {
	if o.file != nil {
		_ = o.file.Close() // the file is committed or abandoned
		o.file = nil
	}
	if o.place.dir != nil {
		_ = o.place.dir.Close() // directories have no unwritten data
		o.place.dir = nil
	}
}

// namedFile is an output file with its flag; path is empty without the flag.
type namedFile struct{ flag, path string }

// compressions are the file name extensions of compressed files and archives.
var compressions = []string{".gz", ".zst", ".lz4", ".xz", ".bz2", ".zip"}

// checkCompression returns an error if the name is that of a compressed file, and f is not.
func (f namedFile) checkCompression() error {
	written := map[string][]string{"--evidence": {".gz", ".zst"}, "--bundle": {".zip"}}[f.flag]
	extension := strings.ToLower(filepath.Ext(f.path))
	if !slices.Contains(compressions, extension) || slices.Contains(written, extension) {
		return nil
	}
	text := fmt.Sprintf("%s %s: is not written as %s", f.flag, f.path, extension)
	if len(written) > 0 {
		text += ", only as " + strings.Join(written, " or ")
	}
	return errors.New(text)
}

// apart returns an error if an output would overwrite an input or another output.
func apart(files []namedFile, read ...string) error {
	for i, f := range files {
		for _, name := range read {
			if sameFile(f.path, name) {
				return fmt.Errorf("%s %s: is an input file", f.flag, f.path)
			}
		}
		for _, other := range files[:i] {
			if sameFile(f.path, other.path) {
				return fmt.Errorf("%s %s: is also the file of %s", f.flag, f.path, other.flag)
			}
		}
	}
	return nil
}

// fileNames returns the file names of captures. "-" becomes the file name of standard input.
func fileNames(captures []string, stdin io.Reader) []string {
	out := slices.Clone(captures)
	for i, name := range out {
		if f, ok := stdin.(*os.File); ok && name == "-" {
			out[i] = f.Name()
		}
	}
	return out
}

// sameFile reports whether two names are of one regular file, now or once it is created.
func sameFile(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	as, aErr := os.Stat(a)
	bs, bErr := os.Stat(b)
	switch {
	case aErr == nil && bErr == nil:
		return as.Mode().IsRegular() && os.SameFile(as, bs)
	case aErr == nil || bErr == nil:
		return false
	}
	ad, aErr := os.Stat(filepath.Dir(a))
	bd, bErr := os.Stat(filepath.Dir(b))
	return aErr == nil && bErr == nil && os.SameFile(ad, bd) && filepath.Base(a) == filepath.Base(b)
}

// writeError names the output in an error; nil stays nil.
func writeError(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write %s: %w", name, reason(err))
}

// reason returns the system's error without the file name.
func reason(err error) error {
	var p *os.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}

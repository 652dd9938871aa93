package decode

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// never is the first flexible version of an API that has none.
const never = math.MaxInt16

type layoutRow struct {
	key  int16
	name string
	// max is the latest version that the layouts describe.
	max int16
	// flexible is the first flexible version, or never.
	flexible          int16
	request, response string
}

// layout is a compiled layoutRow.
type layout struct {
	name              string
	max, flexible     int16
	request, response []field
	mayWait           bool // the request has a timeoutField
}

type fieldKind uint8

const (
	fixedField    fieldKind = iota // size bytes
	errorField                     // an error code
	timeoutField                   // 4 bytes: how long the broker may take, in milliseconds
	textField                      // a string
	bytesField                     // bytes
	structField                    // sub
	nullableField                  // sub, or null
)

// field is one field of a body, in the versions since to until.
type field struct {
	kind         fieldKind
	array        bool
	size         uint8
	since, until int16
	sub          []field
}

var layouts = compileLayouts(layoutRows)

// layoutOf returns the layout of an API key, nil for an unknown key.
func layoutOf(key int16) *layout {
	if key < 0 || int(key) >= len(layouts) {
		return nil
	}
	return &layouts[key]
}

// compileLayouts compiles rows, whose keys count up from 0. It panics on an error in them,
// because they are constants.
func compileLayouts(rows []layoutRow) []layout {
	out := make([]layout, len(rows))
	for i, row := range rows {
		if int(row.key) != i {
			panic(fmt.Sprintf("layout of API %d is in row %d", row.key, i))
		}
		request := compileFields(row.request)
		mayWait := slices.ContainsFunc(request, func(f field) bool { return f.kind == timeoutField })
		out[i] = layout{row.name, row.max, row.flexible, request, compileFields(row.response), mayWait}
	}
	return out
}

func compileFields(text string) []field {
	fields, rest := parseFields(text)
	if rest != "" {
		panic(fmt.Sprintf("layout %q: unexpected %q", text, rest))
	}
	return fields
}

// parseFields reads fields up to the end of text or a closing bracket. It returns the text after
// them.
func parseFields(text string) (fields []field, rest string) {
	for {
		text = strings.TrimLeft(text, " ")
		if text == "" || strings.ContainsRune("])}", rune(text[0])) {
			return fields, text
		}
		var f field
		f, text = parseField(text)
		fields = append(fields, f)
	}
}

// parseField reads one field and its versions.
func parseField(text string) (f field, rest string) {
	f = field{until: math.MaxInt16}
	if text[0] == '*' {
		f.array, text = true, text[1:]
	}
	closing := byte(0)
	switch text[0] {
	case '[':
		f.kind, f.array, closing = structField, true, ']'
	case '(':
		f.kind, closing = structField, ')'
	case '{':
		f.kind, closing = nullableField, '}'
	case 'e':
		f.kind = errorField
	case 't':
		f.kind = timeoutField
	case 's':
		f.kind = textField
	case 'b':
		f.kind = bytesField
	}
	switch {
	case closing != 0:
		f.sub, text = parseFields(text[1:])
		if text == "" || text[0] != closing {
			panic(fmt.Sprintf("layout: %q does not begin with %q", text, closing))
		}
		text = text[1:]
	case f.kind == fixedField:
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		f.size = uint8(mustInt(text[:digits]))
		text = text[digits:]
	default:
		text = text[1:]
	}
	if !strings.HasPrefix(text, ":") {
		return f, text
	}
	end := len(text) - len(strings.TrimLeft(text, ":-0123456789"))
	since, until, _ := strings.Cut(text[1:end], "-")
	f.since = mustInt(since)
	if until != "" {
		f.until = mustInt(until)
	}
	return f, text[end:]
}

func mustInt(digits string) int16 {
	n, err := strconv.ParseInt(digits, 10, 16)
	if err != nil {
		panic(fmt.Sprintf("layout: %v", err))
	}
	return int16(n)
}

// fit is the result of comparing bytes with a layout.
type fit uint8

const (
	// misfit: the bytes contradict the layout.
	misfit fit = iota
	// fitsSoFar: the captured bytes fit, but they are not the complete message.
	fitsSoFar
	// fitsExactly: the complete message fits.
	fitsExactly
)

// walker steps through a message by its layout. It reads only lengths and error codes, copies
// nothing and allocates nothing. If blanks is true, it overwrites the fields that it passes. Each
// step consumes a byte or ends the walk, so the captured bytes bound the time.
type walker struct {
	// b is the captured part from the current place on. left is the length of the message from
	// there, len(b) or more.
	b        []byte
	left     int64
	version  int16
	flexible bool
	// state is fitsExactly until the walk ends.
	state fit
	// blanks: overwrite bytes fields and tagged fields, if texts is true also texts and numbers,
	// except those of the field with keep.
	blanks, texts, keep bool
	// errorCode is the first error code that is errUnsupportedVersion or one of recordErrors, else 0.
	errorCode int16
	// timeout is the value of the timeoutField, 0 for none.
	timeout int32
}

// start returns a walker at the beginning of a body, of which body is the captured part and size
// the complete length. Its header has tagged fields in flexible versions if hasTags is true. A
// negative version and one above the layout's are a misfit.
func (l *layout) start(version int16, size int64, body []byte, hasTags bool) walker {
	w := walker{b: body, left: size, version: version, flexible: version >= l.flexible, state: fitsExactly}
	if version < 0 || version > l.max {
		w.state = misfit
	}
	if w.flexible && hasTags {
		w.tags()
	}
	return w
}

// timeout returns how long a request allows the broker to take, in milliseconds; 0 if its body has
// no such field, or the captured part does not contain it.
func (l *layout) timeout(version int16, size int64, body []byte) int32 {
	w := l.start(version, size, body, true)
	w.structure(l.request, 0)
	return max(w.timeout, 0)
}

// walkRequest compares the body of a request with its layout.
func (l *layout) walkRequest(version int16, size int64, body []byte) fit {
	w := l.start(version, size, body, true)
	return w.whole(l.request)
}

// walkResponse compares a response without its correlation id with its layout. errorCode is
// walker.errorCode.
func (l *layout) walkResponse(key, version int16, size int64, body []byte) (how fit, errorCode int16) {
	w := l.start(version, size, body, key != keyApiVersions) // its response header has no tags: KIP-511
	how = w.whole(l.response)
	return how, w.errorCode
}

func (w *walker) whole(fields []field) fit {
	w.structure(fields, 0)
	if w.state == fitsExactly && w.left != 0 {
		return misfit
	}
	return w.state
}

// structure walks the fields of a structure and its tagged fields. keeps has a bit for each of the
// first 8 fields that is not overwritten.
func (w *walker) structure(fields []field, keeps uint8) {
	for i := range fields {
		f := &fields[i]
		w.keep = keeps>>i&1 != 0
		if w.version < f.since || w.version > f.until {
			continue
		}
		if w.state != fitsExactly {
			return
		}
		if f.array {
			w.array(f)
		} else {
			w.field(f)
		}
	}
	if w.flexible {
		w.tags()
	}
}

// array walks an array. A null array counts as empty.
func (w *walker) array(f *field) {
	n := w.count(4)
	if n > w.left {
		w.state = misfit // no element is shorter than a byte
	}
	if f.kind == fixedField && w.state == fitsExactly {
		w.skip(n*int64(f.size), false)
		return
	}
	for ; n > 0 && w.state == fitsExactly; n-- {
		before := w.left
		w.field(f)
		if w.left == before && w.state == fitsExactly {
			w.state = misfit
		}
	}
}

// field walks a field, or an element of an array.
func (w *walker) field(f *field) {
	switch f.kind {
	case fixedField:
		w.skip(int64(f.size), false)
	case errorField:
		if b := w.take(2); b != nil {
			w.fail(int16(binary.BigEndian.Uint16(b)))
		}
	case timeoutField:
		if b := w.take(4); b != nil { // never overwritten: evidence must show as much
			w.timeout = int32(binary.BigEndian.Uint32(b))
		}
	case textField:
		w.skip(w.count(2), false)
	case bytesField:
		w.skip(w.count(4), true)
	case structField:
		w.structure(f.sub, 0)
	case nullableField:
		if b := w.take(1); b != nil && int8(b[0]) >= 0 {
			w.structure(f.sub, 0)
		}
	}
}

func (w *walker) fail(code int16) {
	if w.errorCode == errNone && (code == errUnsupportedVersion || slices.Contains(recordErrors[:], code)) {
		w.errorCode = code
	}
}

// count reads a length: of width bytes, or compact in flexible versions. Null is 0.
func (w *walker) count(width int64) int64 {
	if w.flexible {
		return max(w.uvarint()-1, 0)
	}
	b := w.take(width)
	switch {
	case b == nil:
		return 0
	case width == 2:
		return w.length(int64(int16(binary.BigEndian.Uint16(b))))
	}
	return w.length(int64(int32(binary.BigEndian.Uint32(b))))
}

// length returns n, and 0 for the null length -1. Other negative lengths are a misfit.
func (w *walker) length(n int64) int64 {
	if n < -1 {
		w.state = misfit
	}
	return max(n, 0)
}

// tags walks tagged fields (KIP-482).
func (w *walker) tags() {
	n := w.uvarint()
	if n > w.left {
		w.state = misfit // no tagged field is shorter than two bytes
	}
	for ; n > 0 && w.state == fitsExactly; n-- {
		w.uvarint()
		w.skip(w.uvarint(), true)
	}
}

// uvarint reads an unsigned variable-length integer of at most 5 bytes.
func (w *walker) uvarint() int64 {
	var n int64
	for shift := 0; shift < 35; shift += 7 {
		b := w.take(1)
		if b == nil {
			return 0
		}
		n |= int64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return n
		}
	}
	w.state = misfit
	return 0
}

// take returns the next n bytes; nil if they were not captured.
func (w *walker) take(n int64) []byte {
	if !w.room(n) {
		return nil
	}
	b := w.b[:n]
	w.b, w.left = w.b[n:], w.left-n
	return b
}

// skip passes n bytes, which may be secret.
func (w *walker) skip(n int64, secret bool) {
	if w.room(n) {
		if w.blanks && (secret || w.texts && !w.keep) {
			clear(w.b[:n])
		}
		w.b, w.left = w.b[n:], w.left-n
	}
}

// room reports whether the next n bytes were captured, and ends the walk if not.
func (w *walker) room(n int64) bool {
	switch {
	case w.state != fitsExactly:
		return false
	case n > w.left:
		w.state = misfit
		return false
	case n > int64(len(w.b)):
		w.state = fitsSoFar
		return false
	}
	return true
}

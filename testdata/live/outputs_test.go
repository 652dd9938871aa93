//go:build root

package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kversion"
)

// nobody is the user whose directory root writes to.
const nobody = 65534

// trap is a directory that nobody owns, beside a file and a directory of root.
type trap struct{ dir, file, target string }

func newTrap(t *testing.T) trap {
	t.Helper()
	base := t.TempDir()
	for dir := base; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // nobody comes in
			t.Fatal(err)
		}
	}
	p := trap{filepath.Join(base, "nobody"), filepath.Join(base, "root"), filepath.Join(base, "etc")}
	for _, err := range []error{
		os.Mkdir(p.dir, 0o755), os.Chown(p.dir, nobody, nobody), os.WriteFile(p.file, []byte("root's"), 0o644), os.Mkdir(p.target, 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// lay lays a link of nobody in its directory.
func (p trap) lay(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, filepath.Join(p.dir, name)); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(filepath.Join(p.dir, name), nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

// check fails where what belongs to root was changed.
func (p trap) check(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(p.file)
	st, err2 := os.Stat(p.file)
	if err != nil || err2 != nil || string(text) != "root's" || st.Sys().(*syscall.Stat_t).Uid != 0 || st.Mode().Perm() != 0o644 {
		t.Errorf("root's file was changed: %q, %v, %v %v", text, st, err, err2)
	}
	if left, err := os.ReadDir(p.target); err != nil || len(left) > 0 {
		t.Errorf("in root's directory: %v, %v", left, err)
	}
}

// TestRootFollowsNoLink runs the attack: whoever owns the directory of an output lays a link to a file of
// root, to a device, or to a directory of root on the way.
func TestRootFollowsNoLink(t *testing.T) {
	for _, user := range []string{"", "nobody"} {
		for _, output := range []string{"-w", "-o", "--evidence"} {
			for _, link := range []string{"file", "device", "way"} {
				t.Run(fmt.Sprintf("user %q %s %s", user, output, link), func(t *testing.T) {
					p := newTrap(t)
					name := "k"
					switch link {
					case "file":
						p.lay(t, p.file, "k")
					case "device":
						p.lay(t, "/dev/null", "k")
					case "way":
						p.lay(t, p.target, "way")
						name = "way/k"
					}
					args := []string{"sniff", "-i", "lo", "--port", "9", "--duration", "100ms", output, filepath.Join(p.dir, name)}
					if user != "" {
						args = append(args, "--user", user)
					}
					out, err := exec.Command(binary, args...).CombinedOutput()
					var exit *exec.ExitError
					if user == "" {
						if !asExit(err, &exit) || exit.ExitCode() != 2 || !bytes.Contains(out, []byte("which root does not follow")) {
							t.Errorf("%v: %s", err, out)
						}
					} else if !asExit(err, &exit) || exit.ExitCode() != 2 {
						t.Errorf("%v: %s", err, out)
					}
					p.check(t)
				})
			}
		}
	}
}

// TestRootWritesToNoPipeOfAnother: whoever owns the directory of an output lays a pipe there, to read it.
func TestRootWritesToNoPipeOfAnother(t *testing.T) {
	p := newTrap(t)
	pipe := filepath.Join(p.dir, "k")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Lchown(pipe, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience) // it would wait for a reader
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "sniff", "-i", "lo", "--port", "9", "--duration", "100ms", "-w", pipe).CombinedOutput()
	var exit *exec.ExitError
	if !asExit(err, &exit) || exit.ExitCode() != 2 || !bytes.Contains(out, []byte("is a pipe of another user")) {
		t.Errorf("%v: %s", err, out)
	}
}

func asExit(err error, to **exec.ExitError) (ok bool) {
	*to, ok = err.(*exec.ExitError)
	return ok
}

// TestOutputsBelongToTheUser: what --user names owns the files, rotated ones too, and only that user reads them.
func TestOutputsBelongToTheUser(t *testing.T) {
	p := newTrap(t)
	cmd := exec.Command(binary, "sniff", "-i", "lo", "--port", "9", "--duration", "100ms", "--user", "nobody",
		"-w", filepath.Join(p.dir, "k.pcapng"), "--rotate-size", "1", "-o", filepath.Join(p.dir, "r.json"), "--evidence", filepath.Join(p.dir, "e.pcapng"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files, err := os.ReadDir(p.dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		st, err := f.Info()
		if err != nil || st.Mode().Perm() != 0o600 || st.Sys().(*syscall.Stat_t).Uid != nobody {
			t.Errorf("%s: %v, %v", f.Name(), st.Mode(), err)
		}
	}
}

// TestKilledCaptureOpens: what -w wrote until a kill can be read.
func TestKilledCaptureOpens(t *testing.T) {
	addr, port := broker(t, kversion.V2_1_0())
	file := filepath.Join(t.TempDir(), "k.pcapng")
	p := sniff(t, port, "-w", file)
	violate(t, addr)
	p.until(func() bool { st, err := os.Stat(file); return err == nil && st.Size() > 1000 }, "packets in "+file)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait()
	if packets, err := capturetest.ReadFile(file); err != nil || len(packets) == 0 {
		t.Errorf("%d packets, %v", len(packets), err)
	}
}

// TestReportEveryWritesInsideTheSandbox: the report so far is there while the capture runs, as root and as another user.
func TestReportEveryWritesInsideTheSandbox(t *testing.T) {
	for _, user := range []string{"root", "nobody"} {
		addr, port := broker(t, kversion.V2_1_0())
		file := filepath.Join(newTrap(t).dir, "r.json")
		p := sniff(t, port, "--report-every", "1s", "-o", file, "--user", user)
		violate(t, addr)
		p.until(func() bool { text, _ := os.ReadFile(file); return strings.Contains(string(text), "KV1001") }, "a finding in "+file)
		if code := p.end(); code != 1 {
			t.Errorf("user %s: exit code %d: %s", user, code, &p.err)
		}
	}
}

// TestFullDiskEndsNoCapture: -w on a disk that becomes full ends, what was written opens, and the report comes.
func TestFullDiskEndsNoCapture(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("kafkavet", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	addr, port := broker(t, kversion.V2_1_0())
	file := filepath.Join(dir, "k.pcapng")
	p := sniff(t, port, "-w", file)
	full := "write " + file + ": no space left on device; watching continues without -w"
	for end := time.Now().Add(patience); ; {
		violate(t, addr)
		if _, _, ok := p.err.find(full); ok {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the disk was never full: %s", &p.err)
		}
	}
	violate(t, addr)
	if code := p.end(); code != 2 {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
	if _, _, ok := p.out.find(`{"event":"report"`); !ok {
		t.Errorf("no report: %s", &p.out)
	}
	if packets, err := capturetest.ReadFile(file); err != nil || len(packets) == 0 {
		t.Errorf("%d packets, %v", len(packets), err)
	}
	if strings.Count(p.err.String(), "no space left") != 1 {
		t.Errorf("said more than once: %s", &p.err)
	}
}

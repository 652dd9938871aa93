//go:build linux || darwin

package capture

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestNamedPipesAmongFilesLoseNothing(t *testing.T) {
	dir := save(t, map[string][]byte{"file": from(20, 3)})
	pipes := map[string][]byte{"late": from(30, 4000), "early": compress("gzip", from(10, 2))}
	for name, data := range pipes {
		path := filepath.Join(dir, name)
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		go func() {
			if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				f.Write(data)
				f.Close()
			}
		}()
	}
	got := readPaths(t, Options{}, filepath.Join(dir, "late"), filepath.Join(dir, "file"), filepath.Join(dir, "early"))
	got.sound(t)
	if len(got.packets) != 4005 {
		t.Errorf("%d packets, want 4005", len(got.packets))
	}
	for i, p := range got.packets[:min(6, len(got.packets))] {
		if want := []int64{10, 10, 20, 20, 20, 30}[i]; p.Time/1e9 != want {
			t.Errorf("packet %d is from second %d, want %d", i, p.Time/1e9, want)
		}
	}
}

func TestRotatedFilesNeedFewDescriptors(t *testing.T) {
	files := map[string][]byte{}
	for i := range 300 {
		files[fmt.Sprint(i)] = from(int64(5000-i), 1)
	}
	dir := save(t, files)
	var paths []string
	for name := range files {
		paths = append(paths, filepath.Join(dir, name))
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 64 // the test itself has about 10 open
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	got := readPaths(t, Options{}, paths...)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	got.sound(t)
	if len(got.packets) != 300 {
		t.Fatalf("%d packets, want 300", len(got.packets))
	}
	for i, p := range got.packets {
		if p.Time != int64(4701+i)*1e9 {
			t.Fatalf("packet %d is from second %d, want %d", i, p.Time/1e9, 4701+i)
		}
	}
}

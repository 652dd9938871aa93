package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// minJava is the oldest Java that the newest broker runs on.
const minJava = 17

// check looks whether all is there that the lab needs, says all that is missing
// at once, and returns the Java to run brokers with.
func check(tables bool) (java string, err error) {
	var missing []error
	if os.Geteuid() != 0 {
		missing = append(missing, errors.New("the lab makes network namespaces and records: run it as root"))
	}
	needed := []string{"mvn", "openssl", "ip"}
	if !tables {
		needed = append(needed, "tcpdump", "tshark", "go", "npm", "node", "python3", "cargo", "cc")
	}
	for _, name := range needed {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, fmt.Errorf("%s is not there", name))
		}
	}
	java, err = findJava()
	return java, errors.Join(append(missing, err)...)
}

// findJava finds the oldest Java that is new enough: what is removed in newer ones, old brokers need.
func findJava() (string, error) {
	candidates, _ := filepath.Glob("/usr/lib/jvm/*/bin/java") // the pattern is well-formed
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append([]string{filepath.Join(home, "bin", "java")}, candidates...)
	}
	if path, err := exec.LookPath("java"); err == nil {
		candidates = append(candidates, path)
	}
	best, bestVersion := "", 0
	for _, java := range candidates {
		out, err := exec.Command(java, "-version").CombinedOutput()
		if err != nil {
			continue
		}
		m := regexp.MustCompile(`version "(\d+)`).FindStringSubmatch(string(out))
		if m == nil {
			continue
		}
		if v, _ := strconv.Atoi(m[1]); v >= minJava && (best == "" || v < bestVersion) { // digits
			best, bestVersion = java, v
		}
	}
	if best == "" {
		return "", fmt.Errorf("no Java %d or later; looked at %s", minJava, strings.Join(candidates, ", "))
	}
	return best, nil
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// dependencyPlugin copies an artifact and what it depends on into a folder.
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

// keyLogAgent writes the TLS secrets of a JVM into a key log, as SSLKEYLOGFILE
// makes other programs do. https://github.com/neykov/extract-tls-secrets
const keyLogAgent = "name.neykov:extract-tls-secrets:4.0.0"

// The server's artifacts come without what prints the log. Releases up to 3.9
// speak to log4j 1, whose maintained successor is reload4j, later ones to log4j 2.
var (
	logging1 = []string{"org.slf4j:slf4j-reload4j:1.7.36", "ch.qos.reload4j:reload4j:1.2.25"}
	logging2 = []string{"org.apache.logging.log4j:log4j-core:2.24.3", "org.apache.logging.log4j:log4j-api:2.24.3"}
)

// workingZooKeeper stands for the ZooKeeper of releases before 2.5: its client
// finds no server on Java 14 and later (ZOOKEEPER-3779).
const workingZooKeeper = "org.apache.zookeeper:zookeeper:3.5.10"

// jaxb was part of Java until 8, and releases before 1.0 rely on that.
const jaxb = "javax.xml.bind:jaxb-api:2.3.1"

// fetch puts artifacts and what they depend on into a folder, once.
func fetch(ctx context.Context, dir string, artifacts ...string) error {
	return once(dir, strings.Join(artifacts, "\n"), func() error {
		pom := filepath.Join(dir, "pom.xml")
		if err := os.WriteFile(pom, []byte(project(artifacts)), 0o644); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", pom, dependencyPlugin, "-DoutputDirectory="+dir, "-DincludeScope=runtime")
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("fetch %s: %w: %s", artifacts[0], err, firstLines(said.String(), 3))
		}
		return nil
	})
}

// project is a Maven project with nothing but dependencies.
func project(artifacts []string) string {
	var b strings.Builder
	b.WriteString("<project><modelVersion>4.0.0</modelVersion><groupId>lab</groupId><artifactId>lab</artifactId><version>1</version><packaging>pom</packaging><dependencies>\n")
	for _, a := range artifacts {
		p := strings.Split(a, ":")
		fmt.Fprintf(&b, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version><exclusions>", p[0], p[1], p[2])
		for _, old := range []string{"log4j:log4j", "org.slf4j:slf4j-log4j12", "com.sun:tools"} { // reload4j stands for the first two; the last is part of old JDKs
			g, n, _ := strings.Cut(old, ":")
			fmt.Fprintf(&b, "<exclusion><groupId>%s</groupId><artifactId>%s</artifactId></exclusion>", g, n)
		}
		b.WriteString("</exclusions></dependency>\n")
	}
	b.WriteString("</dependencies></project>\n")
	return b.String()
}

// fetchRelease fetches a release's server. Which binding of log4j 2 fits
// depends on the slf4j that came along.
func fetchRelease(ctx context.Context, cache string, r release) error {
	dir := jars(cache, r)
	if !r.atLeast(4, 0) {
		artifacts := append([]string{r.artifact()}, logging1...)
		if !r.atLeast(2, 5) {
			artifacts = append(artifacts, workingZooKeeper)
		}
		if !r.atLeast(1, 0) {
			artifacts = append(artifacts, jaxb)
		}
		return fetch(ctx, dir, artifacts...)
	}
	if err := fetch(ctx, dir, append([]string{r.artifact()}, logging2...)...); err != nil {
		return err
	}
	binding := "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
	if v2, _ := filepath.Glob(filepath.Join(dir, "slf4j-api-2.*.jar")); len(v2) > 0 {
		binding = "org.apache.logging.log4j:log4j-slf4j2-impl:2.24.3"
	}
	return fetch(ctx, filepath.Join(dir, "logging"), binding)
}

// jars is the folder of a release's server.
func jars(cache string, r release) string { return filepath.Join(cache, "brokers", r.version) }

// agentJar is where the agent that logs TLS secrets is.
func agentJar(cache string) string {
	p := strings.Split(keyLogAgent, ":")
	return filepath.Join(cache, "agent", p[1]+"-"+p[2]+".jar")
}

// firstLines are the first lines of a text that are not empty.
func firstLines(s string, n int) string {
	var kept []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" && len(kept) < n {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, " | ")
}

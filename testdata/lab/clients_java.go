package main

import (
	"context"
	"os/exec"
	"path/filepath"
)

// javaClient is the one Java source, compiled against one version of kafka-clients.
type javaClient struct{}

// javaLog prints what the client logs.
const javaLog = "org.slf4j:slf4j-simple:1.7.36"

func (javaClient) made() string { return javaLog + keyLogAgent + jaxb + source("java/Lab.java") }

func (javaClient) install(ctx context.Context, c Client, dir string) error {
	jars := filepath.Join(dir, "jars")
	artifacts := []string{"org.apache.kafka:kafka-clients:" + c.Version, javaLog}
	if !(release{version: c.Version}).atLeast(1, 0) {
		artifacts = append(artifacts, jaxb)
	}
	if err := fetch(ctx, jars, artifacts...); err != nil {
		return err
	}
	if err := fetch(ctx, filepath.Join(dir, "agent"), keyLogAgent); err != nil {
		return err
	}
	if err := write(dir, map[string]string{"Lab.java": source("java/Lab.java")}); err != nil {
		return err
	}
	java, err := findJava()
	if err != nil {
		return err
	}
	return tool(ctx, dir, nil, filepath.Join(filepath.Dir(java), "javac"), "-cp", jars+"/*", "-d", dir, "Lab.java")
}

// command goes by a shell, since the agent is wanted only where a key log is asked for.
func (javaClient) command(ctx context.Context, _ Client, dir string) *exec.Cmd {
	java, err := findJava()
	if err != nil {
		java = "java" // and let starting it say what is wrong
	}
	const script = `exec "$1" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC ${SSLKEYLOGFILE:+"-javaagent:$2=$SSLKEYLOGFILE"} -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$3" Lab`
	agent := filepath.Join(dir, "agent", filepath.Base(agentJar("")))
	return exec.CommandContext(ctx, "sh", "-c", script, "lab", java, agent, dir+":"+filepath.Join(dir, "jars", "*"))
}

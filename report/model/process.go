package model

import (
	"cmp"
	"strings"
)

// Process is a program on the capturing host at an end of a connection. Unknown fields are 0 or
// "".
type Process struct {
	// PID is its process id on that host.
	PID int `json:"pid" redact:"none"`
	// Command is the program name without arguments. User is the name or number of the user.
	Command string `json:"command" redact:"command"`
	User    string `json:"user" redact:"user"`
	// Container is the id of its container. Pod and Namespace are its Kubernetes names.
	Container string `json:"container" redact:"container"`
	Pod       string `json:"pod" redact:"pod"`
	Namespace string `json:"namespace" redact:"namespace"`
}

// CompareProcesses orders processes by pod, container, command, pid and user.
func CompareProcesses(a, b Process) int {
	return cmp.Or(
		strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Pod, b.Pod), strings.Compare(a.Container, b.Container),
		strings.Compare(a.Command, b.Command), cmp.Compare(a.PID, b.PID), strings.Compare(a.User, b.User),
	)
}

// UnionProcesses returns the sorted union of two lists, the first one sorted, at most the first 16;
// nil for none.
func UnionProcesses(a, b []Process) []Process { return union(a, b, maxProcesses, CompareProcesses) }

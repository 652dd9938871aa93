package model

import (
	"cmp"
	"slices"
	"strings"
)

// Process is a program on the host that captured, behind one end of a connection. What is unknown is 0 or empty.
type Process struct {
	// PID is its number on that host.
	PID int `json:"pid"`
	// Command is the program without its arguments, User the user's name or number.
	Command string `json:"command"`
	User    string `json:"user"`
	// Container is the id of its container, Pod and Namespace are those of Kubernetes.
	Container string `json:"container"`
	Pod       string `json:"pod"`
	Namespace string `json:"namespace"`
}

// CompareProcesses orders processes by pod, container, command, pid and user.
func CompareProcesses(a, b Process) int {
	return cmp.Or(
		strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Pod, b.Pod), strings.Compare(a.Container, b.Container),
		strings.Compare(a.Command, b.Command), cmp.Compare(a.PID, b.PID), strings.Compare(a.User, b.User),
	)
}

// UnionProcesses is the sorted union of two lists, its first 64; nil for none.
func UnionProcesses(a, b []Process) []Process {
	all := slices.Concat(a, b)
	slices.SortFunc(all, CompareProcesses)
	all = slices.Compact(all)
	return all[:min(len(all), maxMembers)]
}

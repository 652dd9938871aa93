package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// becomeUser gives up all rights of root for good and goes on as another user,
// in all threads, with the groups of that. What is to be finished as that user is given to it before.
func becomeUser(name string, b belongings) error {
	if os.Geteuid() != 0 {
		return errors.New("--user: only root can go on as another user")
	}
	uid, gid, groups, err := lookupUser(name)
	if err != nil {
		return fmt.Errorf("--user %s: %w", name, err)
	}
	for _, f := range b.files {
		if err := f.Chown(uid, gid); err != nil {
			return fmt.Errorf("--user %s: give %s to it: %w", name, f.Name(), reason(err))
		}
	}
	// The order matters: without uid 0 the groups cannot be changed. Each of
	// these acts on all threads, and clears all capabilities with uid 0 (capabilities(7)).
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"setgroups", func() error { return syscall.Setgroups(groups) }},
		{"setresgid", func() error { return syscall.Setresgid(gid, gid, gid) }},
		{"setresuid", func() error { return syscall.Setresuid(uid, uid, uid) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("--user %s: %s: %w", name, step.what, err)
		}
	}
	if uid != 0 && syscall.Setresuid(0, 0, 0) == nil {
		return fmt.Errorf("--user %s: root could be got back", name)
	}
	for _, dir := range b.dirs {
		const writable = 2 // W_OK of access(2), which goes by the real user
		if err := syscall.Access(dir, writable); err != nil {
			return fmt.Errorf("--user %s: cannot make files in %s later: %w", name, dir, err)
		}
	}
	return nil
}

// lookupUser finds a user by name or number.
func lookupUser(name string) (uid, gid int, groups []int, err error) {
	u, err := user.Lookup(name)
	if _, numeric := strconv.Atoi(name); err != nil && numeric == nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return 0, 0, nil, errors.New("there is no such user")
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, nil, err
	}
	if gid, err = strconv.Atoi(u.Gid); err != nil {
		return 0, 0, nil, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return 0, 0, nil, err
	}
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			return 0, 0, nil, err
		}
		groups = append(groups, n)
	}
	return uid, gid, groups, nil
}

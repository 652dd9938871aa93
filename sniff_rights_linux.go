package main

import (
	"cmp"
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
	// The order matters: without uid 0 the groups cannot be changed. Each of these acts on
	// all threads. Root stays the saved user until it is known that the other one
	// can finish, so that what was begun can be tidied up if not.
	if err := changeUser(name, func() error { return syscall.Setgroups(groups) },
		func() error { return syscall.Setresgid(gid, gid, 0) },
		func() error { return syscall.Setresuid(uid, uid, 0) }); err != nil {
		return err
	}
	for _, dir := range b.dirs {
		const writable = 2 // W_OK of access(2), which goes by the real user
		if err := syscall.Access(dir, writable); err != nil {
			back := changeUser(name, func() error { return syscall.Setresuid(0, 0, 0) }, func() error { return syscall.Setresgid(0, 0, 0) })
			return cmp.Or(back, fmt.Errorf("--user %s: cannot make files in %s later: %w", name, dir, err))
		}
	}
	// Without uid 0 all capabilities are gone, too (capabilities(7)).
	if err := changeUser(name, func() error { return syscall.Setresgid(gid, gid, gid) },
		func() error { return syscall.Setresuid(uid, uid, uid) }); err != nil {
		return err
	}
	if uid != 0 && syscall.Setresuid(0, 0, 0) == nil {
		return fmt.Errorf("--user %s: root could be got back", name)
	}
	return nil
}

// changeUser takes steps in which the user changes.
func changeUser(name string, steps ...func() error) error {
	for _, step := range steps {
		switch err := step(); err {
		case nil:
		case syscall.EPERM:
			return fmt.Errorf("--user %s: root needs CAP_SETUID and CAP_SETGID for that, which it does not have here", name)
		default:
			return fmt.Errorf("--user %s: change to it: %w", name, err)
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

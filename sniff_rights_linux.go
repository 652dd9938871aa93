package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// becomeUser changes user and groups in all threads, and gives up all rights of root for good.
func becomeUser(name string) error {
	if os.Geteuid() != 0 {
		return errors.New("--user: only root can continue as another user")
	}
	uid, gid, groups, err := lookupUser(name)
	if err != nil {
		return fmt.Errorf("--user %s: %w", name, err)
	}
	// The order matters: without uid 0 the groups cannot be changed. Each call acts on all
	// threads. A change from uid 0 also clears all capabilities (capabilities(7)).
	if err := changeUser(name, func() error { return syscall.Setgroups(groups) },
		func() error { return syscall.Setresgid(gid, gid, gid) },
		func() error { return syscall.Setresuid(uid, uid, uid) }); err != nil {
		return err
	}
	if uid != 0 && syscall.Setresuid(0, 0, 0) == nil {
		return fmt.Errorf("--user %s: root could be regained", name)
	}
	return nil
}

func changeUser(name string, steps ...func() error) error {
	for _, step := range steps {
		switch err := step(); err {
		case nil:
		case syscall.EPERM:
			return fmt.Errorf("--user %s: root needs CAP_SETUID and CAP_SETGID for this, and does not have them here", name)
		default:
			return fmt.Errorf("--user %s: change to it: %w", name, err)
		}
	}
	return nil
}

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

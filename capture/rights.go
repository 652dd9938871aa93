package capture

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// missingRights explains which right is missing, and how to get it.
func missingRights() error {
	switch {
	case runtime.GOOS != "linux":
		return errors.New("need the rights to capture: sudo")
	case os.Geteuid() == 0:
		return errors.New("need CAP_NET_RAW, which root does not have here: start the container with --cap-add NET_RAW")
	}
	path, err := os.Executable()
	if err != nil {
		path = "kafkavet"
	}
	return fmt.Errorf("need CAP_NET_RAW: sudo setcap cap_net_raw+ep %s, or sudo", shellQuote(path))
}

func shellQuote(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

package configs

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func readBoot() boot {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	var up unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return boot{}
	}
	return boot{strings.TrimSpace(string(id)), time.Duration(up.Nano())}
}

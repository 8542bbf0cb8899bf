//go:build unix

package server

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// osName is what uname says: "Linux 6.1.0 x86_64".
func osName() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return runtime.GOOS + " " + runtime.GOARCH
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
}

// cpuTimes are the system and user times of the process and of its children that have ended.
func cpuTimes() (self, children [2]time.Duration, ok bool) {
	var a, b unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &a) != nil || unix.Getrusage(unix.RUSAGE_CHILDREN, &b) != nil {
		return self, children, false
	}
	pair := func(r *unix.Rusage) [2]time.Duration {
		return [2]time.Duration{time.Duration(r.Stime.Nano()), time.Duration(r.Utime.Nano())}
	}
	return pair(&a), pair(&b), true
}

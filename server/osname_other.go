//go:build !unix

package server

import (
	"runtime"
	"time"
)

// osName is what the Go runtime knows.
func osName() string { return runtime.GOOS + " " + runtime.GOARCH }

// cpuTimes are not known on this system.
func cpuTimes() (self, children [2]time.Duration, ok bool) { return self, children, false }

package main

import (
	"os"
	"runtime"
)

// diskProcessors is how many of Go's processors a server has beyond those of the machine (or of its share of it): for a goroutine that
// is in the kernel for the sake of a disk.
//
// A goroutine in an fsync keeps its processor until the runtime's monitor takes it away and wakes another thread for it, and it then
// has to find one again. With one per core that happens at every fsync, and the clients' goroutines wait for it. Measured on 2 cores with
// appendfsync always, 50 clients, alternating, medians of 4: SET 14.1 -> 15.2 k/s, with 16 commands in a pipeline 88.7 -> 99.4 k/s, at 3 to 6 %
// less CPU per command; under everysec the same as before, within 5 %. A second one more gains nothing.
const diskProcessors = 1

// spareProcessors adds them, unless GOMAXPROCS in the environment says how many there are to be.
func spareProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + diskProcessors)
	}
}

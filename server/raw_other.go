//go:build !linux

package server

import "syscall"

// Elsewhere the runtime does the calls.
const rawSyscalls = false

func rawRead(uintptr, []byte) (int, syscall.Errno)  { return 0, syscall.ENOSYS }
func rawWrite(uintptr, []byte) (int, syscall.Errno) { return 0, syscall.ENOSYS }

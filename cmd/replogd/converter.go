package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// converter is a command that makes one thing of another: replogd NAME FROM TO.
type converter struct {
	name, usage string
	convert     func(ctx context.Context, from, to string, out io.Writer) error // ctx ends with SIGINT and SIGTERM
}

// run is the command without the process: it returns the exit code.
func (v converter) run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && isHelp(args[0]) {
		_, _ = io.WriteString(stdout, v.usage) // nobody to tell
		return exitOK
	}
	if len(args) != 2 || strings.HasPrefix(args[0], "-") || strings.HasPrefix(args[1], "-") {
		_, _ = io.WriteString(stderr, v.usage)
		return exitUsage
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := v.convert(ctx, args[0], args[1], stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "replogd %s: %v\n", v.name, err)
		return exitFailed
	}
	return exitOK
}

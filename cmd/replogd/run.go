package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"replogd/config"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `replogd is a durable, replicated key-value server that speaks the Redis protocol.

Usage:
  replogd [file.conf|-] [--directive value ...]   run the server ("-": read the file from standard input)
  replogd check DIR                               look whether a data directory is whole (server stopped)
  replogd logdump DIR|SEGMENT [--from offset] [--full]
                                                  print the log, one command per line
  replogd import FILE.rdb|appendonlydir DIR       make a data directory of what Redis has saved
  replogd export DIR FILE.rdb                     write a data directory as an RDB file (server stopped)
  replogd --version
  replogd --help

Configuration files have redis.conf syntax (or YAML or TOML, by their extension). Every directive is also a flag,
--repl-timeout 30, and an environment variable, REPLOGD_REPL_TIMEOUT=30. Flags beat the environment, which beats the file.

Without arguments the server listens on port 6379 and keeps its data in ./replogd-data. Each server needs a dir of its own.

Examples:
  replogd
  replogd replica.conf --port 6380 --replicaof "127.0.0.1 6379"
  replogd --port 6381 --dir ./second --appendfsync always
`

// run is main without the process: it returns the exit code.
func run(args, environ []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if isHelp(args[0]) {
			_, _ = io.WriteString(stdout, usage) // nobody to tell
			return exitOK
		}
		switch args[0] {
		case "-v", "--version":
			_, _ = fmt.Fprintln(stdout, versionLine()) // nobody to tell
			return exitOK
		case "check":
			return check(args[1:], stdout, stderr)
		case "logdump":
			return logdump(args[1:], stdout, stderr)
		case "import":
			return importData.run(args[1:], stdout, stderr)
		case "export":
			return exportRDB.run(args[1:], stdout, stderr)
		}
	}
	return serve(args, environ, stderr)
}

func isHelp(arg string) bool { return arg == "-h" || arg == "--help" }

// serve runs the server, or starts it as a daemon.
func serve(args, environ []string, stderr io.Writer) int {
	report := readyReporter() // nil unless this process is the daemon itself
	cfg, err := config.Load(args, environ)
	if err != nil {
		return refuse(stderr, report, err)
	}
	if cfg.Current().Daemonize && report == nil {
		return daemonize(args, stderr)
	}
	s := &instance{cfg: cfg, report: report, stderr: stderr}
	if err := s.run(); err != nil {
		return refuse(stderr, report, err)
	}
	return exitOK
}

// refuse tells why there is no server: the person at the terminal, directly or through the waiting parent of a daemon.
func refuse(stderr io.Writer, report *reporter, err error) int {
	text := describe(err)
	report.failed(text)
	_, _ = fmt.Fprint(stderr, text) // nobody else to tell
	return exitFailed
}

// describe words an error for a terminal; mistakes in the configuration get place, text and remedy on lines of their own.
func describe(err error) string {
	var e *config.Error
	if !errors.As(err, &e) {
		return fmt.Sprintf("replogd: %v\n", err)
	}
	place, text := e.File, ""
	if e.Line > 0 {
		place = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if place != "" {
		place += ": "
	}
	if e.Text != "" {
		text = fmt.Sprintf("  >>> %s\n", e.Text)
	}
	problem := e.Problem
	if e.Err != nil {
		problem += ": " + e.Err.Error()
	}
	if e.Directive != "" {
		problem = e.Directive + ": " + problem
	}
	out := fmt.Sprintf("replogd: %s%s\n%s", place, problem, text)
	if e.Remedy != "" {
		out += "  " + e.Remedy + "\n"
	}
	return out
}

// pid is this process, for the log and the pidfile.
var pid = os.Getpid()

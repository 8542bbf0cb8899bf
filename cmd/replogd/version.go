package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is replogd's own version. Release builds set it: go build -ldflags "-X main.version=1.2.3".
var version = "0.1.0-dev"

// versionLine is what --version prints: one line, beginning with the program's name and version.
func versionLine() string {
	line := fmt.Sprintf("replogd %s (%s %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if rev := revision(); rev != "" {
		line += ", commit " + rev
	}
	return line + ")"
}

// revision is the commit the binary was built from, "" when the build did not record it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var rev, modified string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			rev = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				modified = "+changes"
			}
		}
	}
	return rev + modified
}

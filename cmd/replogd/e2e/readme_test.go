package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// readmeCommand is a piece of the README's tutorial: some lines of shell, and what they print ("" = anything).
type readmeCommand struct {
	script string
	prints string
}

var (
	shellBlock   = regexp.MustCompile("(?s)```sh\n(.*?)```")
	expectedLine = regexp.MustCompile(`^(.*\S)\s+# => (.*)$`)
)

// readmeCommands cuts a section into commands: each line with an expectation is one, the lines between two of them are one together.
func readmeCommands(t *testing.T, title string) []readmeCommand {
	t.Helper()
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## "+title+"\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")

	var commands []readmeCommand
	for _, block := range shellBlock.FindAllStringSubmatch(section, -1) {
		var plain strings.Builder
		flush := func() {
			if plain.Len() > 0 {
				commands = append(commands, readmeCommand{script: plain.String()})
				plain.Reset()
			}
		}
		for line := range strings.Lines(block[1]) {
			if m := expectedLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
				flush()
				commands = append(commands, readmeCommand{script: m[1], prints: m[2]})
				continue
			}
			plain.WriteString(line)
		}
		flush()
	}
	require.Greater(t, len(commands), 20)
	return commands
}

// TestReadmeTutorial runs the README's tutorial as it stands there.
func TestReadmeTutorial(t *testing.T) { runReadme(t, "Three nodes", "tutorial") }

// TestReadmeMove runs the README's way from Redis and back.
func TestReadmeMove(t *testing.T) { runReadme(t, "Move from Redis, and back", "move") }

// runReadme runs the commands of a section, on other ports. A reader takes a breath between two commands; here each expectation is given
// time to come true.
func runReadme(t *testing.T, title, dir string) {
	t.Helper()
	t.Parallel()
	skipOnStock(t)
	redisTool(t, "redis-cli")
	redisTool(t, "redis-server")
	home := t.TempDir()
	state := filepath.Join(t.TempDir(), "state") // directory and environment, carried from one command to the next
	require.NoError(t, os.WriteFile(state, []byte("cd "+strconv.Quote(home)+"\n"), 0o644))

	bin := t.TempDir()
	require.NoError(t, os.Symlink(binary(t), filepath.Join(bin, "replogd")))
	var renames []string
	for _, port := range []string{"6379", "6380", "6381"} {
		renames = append(renames, port, strconv.Itoa(freePort(t)))
	}
	onOtherPorts := strings.NewReplacer(renames...)
	t.Cleanup(func() { killByPidfiles(t, filepath.Join(home, dir)) })

	run := func(script string) (string, error) {
		full := fmt.Sprintf("set -e\n. %s\n%s\n{ export -p; printf 'cd %%q\\n' \"$PWD\"; } > %s\n", state, onOtherPorts.Replace(script), state)
		cmd := exec.CommandContext(testContext(t), "bash", "-c", full)
		cmd.Env = append(cleanEnviron(), "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, c := range readmeCommands(t, title) {
		if c.prints == "" {
			out, err := run(c.script)
			require.NoError(t, err, "%s\nprinted: %s%s", c.script, out, logsBelow(home))
			continue
		}
		err := poll(syncWithin, func() error {
			out, err := run(c.script)
			if err == nil && !strings.Contains(out, c.prints) {
				err = fmt.Errorf("it printed %q", out)
			}
			return err
		})
		require.NoError(t, err, "%s  # => %s%s", c.script, c.prints, logsBelow(home))
	}
}

func logsBelow(dir string) string {
	var all strings.Builder
	logs, _ := filepath.Glob(filepath.Join(dir, "*", "*.log"))
	for _, path := range logs {
		b, _ := os.ReadFile(path)
		lines := strings.Split(string(b), "\n")
		fmt.Fprintf(&all, "\n%s:\n%s", filepath.Base(path), strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
	return all.String()
}

// killByPidfiles ends what a tutorial that failed half-way has left running.
func killByPidfiles(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.pid"))
	require.NoError(t, err)
	for _, file := range files {
		if pid, err := readPid(file); err == nil && processAlive(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_ = poll(exitWithin, func() error { return want("alive", processAlive(pid), false) })
		}
	}
}

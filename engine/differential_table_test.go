package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEdgeCasesAsRedis runs the programs of testdata/differential on both sides, in both protocols.
func TestEdgeCasesAsRedis(t *testing.T) {
	p := newPair(t)
	files, err := filepath.Glob("testdata/differential/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		for i, program := range readPrograms(t, file) {
			for _, proto := range []int{2, 3} {
				t.Run(fmt.Sprintf("%s/%d/proto%d", filepath.Base(file), i+1, proto), func(t *testing.T) {
					p.reset(t, proto)
					for _, line := range program {
						p.compare(t, line, parseLine(t, line))
					}
					text := strings.Join(program, "\n")
					p.compareStreams(t, text)
					p.compareKeyspaces(t, text)
				})
			}
		}
	}
}

// readPrograms reads blocks of lines separated by blank ones; lines that begin with # are remarks.
func readPrograms(t *testing.T, file string) (programs [][]string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var program []string
	for line := range strings.Lines(string(data) + "\n\n") {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case line != "":
			program = append(program, line)
		case len(program) > 0:
			programs = append(programs, program)
			program = nil
		}
	}
	return programs
}

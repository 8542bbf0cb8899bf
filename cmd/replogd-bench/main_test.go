package main

import (
	"bytes"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsage(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		out  string
	}{
		{[]string{"--help"}, exitOK, "-peer"},
		{[]string{"--list"}, exitOK, "fullsync"},
		{[]string{"--nosuch"}, exitUsage, "not defined"},
		{[]string{"word"}, exitUsage, "not understood"},
		{[]string{"--run", "nosuch", "--replogd", "/bin/true"}, exitFailed, "no scenario matches"},
		{[]string{"--peer", "redis=/no/such", "--replogd", "/bin/true"}, exitFailed, "no such file"},
		{[]string{"--rounds", "0", "--run", "get beside", "--replogd", "/bin/true"}, exitFailed, "nothing to measure"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, tc.code, run(tc.args, &out, &errs), "%v: %s", tc.args, errs.String())
		require.Contains(t, out.String()+errs.String(), tc.out, "%v", tc.args)
	}
}

func TestQuickIsOneRound(t *testing.T) {
	s, err := parse([]string{"--quick"}, &bytes.Buffer{})
	require.NoError(t, err)
	require.Equal(t, 1, s.rounds)
	require.InDelta(t, quickScale, s.scale, 0)
}

func TestLongScenariosAreAskedFor(t *testing.T) {
	names := func(args ...string) (names []string) {
		s, err := parse(args, &bytes.Buffer{})
		require.NoError(t, err)
		for _, sc := range s.scenarios() {
			names = append(names, sc.Name)
		}
		return names
	}
	require.NotContains(t, names(), "overwrite")
	require.Contains(t, names("--long"), "overwrite")
	require.Equal(t, []string{"overwrite"}, names("--run", "overwrite"))
	require.Equal(t, []string{"fullsync 100 B", "recover"}, names("--run", "sync 100,recover"))
}

// Two builds of replogd beside each other, one scenario, all forms of the report.
func TestMeasuresAndWritesReports(t *testing.T) {
	dir := t.TempDir()
	bin, page, data, picture := filepath.Join(dir, "replogd"), filepath.Join(dir, "report.html"), filepath.Join(dir, "report.json"), filepath.Join(dir, "report.png")
	out, err := exec.Command("go", "build", "-o", bin, "replogd/cmd/replogd").CombinedOutput()
	require.NoError(t, err, string(out))
	var table, errs bytes.Buffer
	code := run([]string{
		"--peer", "replogd-old=" + bin, "--replogd", bin, "--run", "ops incr", "--rounds", "1", "--scale", "0.001", "--dir", dir,
		"--html", page, "--json", data, "--png", picture,
	}, &table, &errs)
	require.Equal(t, exitOK, code, errs.String())
	require.Regexp(t, `scenario +value +replogd-old +replogd`, table.String())
	require.Contains(t, errs.String(), "2 of 2: ops incr everysec -P16 / replogd")
	for _, file := range []string{page, data} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(text), "replogd-old")
	}
	f, err := os.Open(picture)
	require.NoError(t, err)
	defer f.Close()
	_, err = png.DecodeConfig(f)
	require.NoError(t, err)
	left, err := filepath.Glob(filepath.Join(dir, "replogd-bench-*"))
	require.NoError(t, err)
	require.Empty(t, left, "the scratch directory is gone")
}

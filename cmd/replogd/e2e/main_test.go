// Package e2e tests replogd as its users meet it: the real binary, started as processes on real ports and directories, killed
// with real signals, spoken to over TCP. Nothing here imports the server's packages.
//
// Environment:
//
//	REPLOGD_E2E_LONG=1        the long forms: the chain under kill -9 for 60 s per policy, 2 GB past a stopped replica, links cut for ten minutes (make e2e-long)
//	REPLOGD_MEASURE=1         measurements beside redis-server; they print figures and judge nothing (make measure)
//	REPLOGD_BINARY=path       test this binary instead of building one; a redis-server is welcome: what it does not promise is left out
//	REPLOGD_REQUIRE_REDIS=1   fail instead of skipping where redis-server and its tools are missing (.ci/run)
package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// testsPerProcessor is how many tests run at a time on a processor, unless -parallel says otherwise: most of their time they wait, for a
// Sentinel to make up its mind above all.
const testsPerProcessor = 2

var scratchDir string // holds the binary for this run

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "replogd-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "create scratch directory:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratchDir = dir
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := parallel.Value.Set(strconv.Itoa(testsPerProcessor * runtime.GOMAXPROCS(0))); err != nil {
			fmt.Fprintln(os.Stderr, "set -parallel:", err)
			return 1
		}
	}
	return m.Run()
}

// buildBinary builds cmd/replogd once per run and returns its path.
var buildBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("REPLOGD_BINARY"); path != "" {
		return path, nil
	}
	path := filepath.Join(scratchDir, "replogd")
	out, err := exec.Command("go", "build", "-o", path, "replogd/cmd/replogd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build cmd/replogd: %w\n%s", err, out)
	}
	return path, nil
})

func binary(t testing.TB) string {
	t.Helper()
	path, err := buildBinary()
	require.NoError(t, err)
	return path
}

// stock reports that the binary under test is redis-server: a check of the tests themselves. What only replogd promises is skipped.
func stock() bool {
	return strings.HasPrefix(filepath.Base(os.Getenv("REPLOGD_BINARY")), "redis-server")
}

func skipOnStock(t testing.TB) {
	t.Helper()
	if stock() {
		t.Skip("redis-server does not promise this")
	}
}

// redisTool finds one of Redis' programs: redis-server, redis-cli or redis-benchmark.
func redisTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("REPLOGD_REQUIRE_REDIS") != "" {
			t.Fatalf("%s is not installed, and REPLOGD_REQUIRE_REDIS demands it", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// longRun reports that the long forms are wanted.
func longRun() bool { return os.Getenv("REPLOGD_E2E_LONG") != "" }

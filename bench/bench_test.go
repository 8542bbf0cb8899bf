package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/bench"
)

func TestParseProgram(t *testing.T) {
	p, err := bench.ParseProgram("replogd-old=/bin/sh")
	require.NoError(t, err)
	require.Equal(t, bench.Program{Name: "replogd-old", Path: "/bin/sh", Kind: bench.KindReplogd}, p)
	for name, kind := range map[string]bench.Kind{"redis": bench.KindRedis, "valkey": bench.KindRedis, "kvrocks2": bench.KindKvrocks} {
		p, err := bench.ParseProgram(name + "=sh")
		require.NoError(t, err)
		require.Equal(t, kind, p.Kind)
	}
	for _, bad := range []string{"", "redis", "=x", "redis=", "redis=/no/such/program"} {
		_, err := bench.ParseProgram(bad)
		require.Error(t, err, bad)
	}
}

// fixed is a scenario that needs no server.
func fixed(numbers map[string][]float64) bench.Scenario {
	turn := map[string]int{}
	return bench.Scenario{Name: "fixed", About: "figures that are known", Run: func(_ context.Context, e *bench.Env) ([]bench.Value, error) {
		name := e.Program.Name
		turn[name]++
		n := numbers[name][turn[name]-1]
		if n < 0 {
			return nil, errors.New("it fell over")
		}
		e.Draw("latency", bench.AxisPercentile, bench.AxisMillis, []bench.Point{{X: 1, Y: n / 100}, {X: 100, Y: n}})
		return []bench.Value{{Name: "rate", Unit: "ops/s", Better: bench.More, Number: n}}, nil
	}}
}

func TestReport(t *testing.T) {
	var order []string
	r, err := bench.Run(t.Context(), bench.Options{
		Contestants: []bench.Program{{Name: "redis"}, {Name: "replogd"}, {Name: "odd"}}, Rounds: 3, Scale: 1, Dir: t.TempDir(),
		Scenarios: []bench.Scenario{fixed(map[string][]float64{"redis": {100, 300, 200}, "replogd": {500, 100, 400}, "odd": {7, -1, 9}})},
		Measured: func(m bench.Machine) {
			order = append(order, "machine")
			require.Positive(t, m.FsyncP50)
		},
		Progress: func(_, _ int, what string) { order = append(order, strings.TrimPrefix(what, "fixed / ")) },
	})
	require.ErrorIs(t, err, bench.ErrBroken)
	require.Equal(t, []string{"machine", "redis", "replogd", "odd", "replogd", "odd", "redis", "odd", "redis", "replogd", ""}, order,
		"the machine comes first; of the contestants nobody always does")
	require.Equal(t, []string{"fixed / odd: it fell over"}, r.Failures)
	require.Len(t, r.Rows, 1)
	results := r.Rows[0].Results
	require.Equal(t, bench.Result{Samples: []float64{100, 300, 200}, Median: 200, Least: 100, Most: 300, Ratio: 1}, results[0])
	require.InDelta(t, 2.0, results[1].Ratio, 1e-9)
	require.Equal(t, []float64{7, 9}, results[2].Samples)

	require.Equal(t, []bench.Curve{{
		Scenario: "fixed", Name: "latency", X: bench.AxisPercentile, Y: bench.AxisMillis,
		Points: [][]bench.Point{{{X: 1, Y: 2}, {X: 100, Y: 200}}, {{X: 1, Y: 4}, {X: 100, Y: 400}}, {{X: 1, Y: .09}, {X: 100, Y: 9}}},
	}}, r.Curves, "of each one's last round")

	var text, page, data, picture bytes.Buffer
	require.NoError(t, r.WriteText(&text))
	require.Regexp(t, `fixed +rate, ops/s +200 \[100 to 300\] +400 \[100 to 500\] 2\.00x +8 \[7 to 9\] 0\.04x`, text.String())
	require.Contains(t, text.String(), "BROKEN")
	require.NoError(t, r.WriteHTML(&page))
	require.Contains(t, page.String(), "figures that are known")
	require.NotRegexp(t, `(src|href|url)[=(]"?http`, page.String(), "the page needs nothing else")
	require.Equal(t, 2*3+1, strings.Count(page.String(), "<svg"), "two for each bar, one for the curve")
	require.NoError(t, r.WritePNG(&picture))
	img, err := png.Decode(&picture)
	require.NoError(t, err)
	require.Greater(t, img.Bounds().Dx(), img.Bounds().Dy(), "one row of charts")
	require.NoError(t, r.WriteJSON(&data))
	var again bench.Report
	require.NoError(t, json.Unmarshal(data.Bytes(), &again))
	require.Equal(t, r.Rows, again.Rows)
	require.Equal(t, r.Curves, again.Curves)
	require.Positive(t, again.Machine.FsyncP50)
}

func TestRunRefusesNothingToDo(t *testing.T) {
	_, err := bench.Run(t.Context(), bench.Options{Rounds: 1, Scale: 1})
	require.Error(t, err)
	_, err = bench.Load{Command: "set", Conns: 1, Pipeline: 1, Keys: 1}.Run(t.Context(), "127.0.0.1:1")
	require.ErrorContains(t, err, "cannot be", "neither a number of commands nor a time")
	_, err = bench.Load{Command: "nosuch", Conns: 1, Pipeline: 1, Keys: 1, Ops: 1}.Run(t.Context(), "127.0.0.1:1")
	require.ErrorContains(t, err, "no such command")
}

// Every scenario plays to its end with replogd, at a size that says nothing about speed.
func TestScenariosPlay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replogd")
	out, err := exec.Command("go", "build", "-o", path, "replogd/cmd/replogd").CombinedOutput()
	require.NoError(t, err, string(out))
	const groups = 4 // each measures the machine once, and most scenarios wait now and then
	sentinel, err := exec.LookPath("redis-sentinel")
	if os.Getenv("REPLOGD_REQUIRE_REDIS") != "" {
		require.NoError(t, err, "the scenario failover needs it")
	}
	all := bench.Scenarios(sentinel)
	for g := range groups {
		var mine []bench.Scenario
		for i := g; i < len(all); i += groups {
			mine = append(mine, all[i])
		}
		t.Run(fmt.Sprint("group ", g), func(t *testing.T) {
			t.Parallel()
			playAll(t, path, mine)
		})
	}
}

func playAll(t *testing.T, path string, scenarios []bench.Scenario) {
	r, err := bench.Run(t.Context(), bench.Options{
		Contestants: []bench.Program{{Name: "replogd", Path: path, Kind: bench.KindReplogd}}, Scenarios: scenarios, Rounds: 1, Scale: 0.002, Dir: t.TempDir(),
	})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, row := range r.Rows {
		seen[row.Scenario] = true
		require.NotEmpty(t, row.Results[0].Samples)
		switch row.Name {
		case "rate", "time", "lag p50", "lag under load p50", "time to PONG", "rate of GET", "without a master", "after the master's restart":
			require.Positive(t, row.Results[0].Median, "%s: %s", row.Scenario, row.Name)
		case "full syncs":
			require.Zero(t, row.Results[0].Median)
		}
	}
	require.Len(t, seen, len(scenarios))
}

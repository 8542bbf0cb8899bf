// Command replogd-bench measures replogd beside other servers of the Redis protocol. See package bench, and BENCHMARKS.md.
//
// Exit codes: 0 everything was measured; 1 a scenario is broken, or the run was cut short; 2 wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"replogd/bench"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2

	quickScale = 0.02
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// settings are the command line.
type settings struct {
	peers    []string
	replogd  string
	only     string
	rounds   int
	scale    float64
	quick    bool
	list     bool
	jsonFile string
	htmlFile string
	pngFile  string
	long     bool
	dir      string
}

func parse(args []string, stderr io.Writer) (s settings, err error) {
	f := flag.NewFlagSet("replogd-bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Func("peer", "`name=path` of a server to measure beside; may be repeated. Default: redis-server, if there is one. The first is the reference", func(v string) error {
		s.peers = append(s.peers, v)
		return nil
	})
	f.StringVar(&s.replogd, "replogd", "", "`path` of replogd; default: the one beside this program, in PATH, or built from the sources around")
	f.StringVar(&s.only, "run", "", "only scenarios whose names contain one of these `words`, separated by commas; long ones too")
	f.IntVar(&s.rounds, "rounds", 3, "how often each contestant plays each scenario")
	f.Float64Var(&s.scale, "scale", 1, "of sizes and times")
	f.BoolVar(&s.quick, "quick", false, fmt.Sprintf("one round at scale %g: a look, in about a minute", quickScale))
	f.BoolVar(&s.list, "list", false, "list the scenarios")
	f.StringVar(&s.jsonFile, "json", "", "write the report as JSON to this `file`; - is standard output")
	f.StringVar(&s.htmlFile, "html", "", "write the report as a page to this `file`")
	f.StringVar(&s.pngFile, "png", "", "draw the report as a picture in this `file`")
	f.BoolVar(&s.long, "long", false, "play the long scenarios too: more policies, connections and pipelines, data beyond the caches, gigabytes of overwriting")
	f.StringVar(&s.dir, "dir", "", "scratch `directory`, on the disk to be measured; default: the system's")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("%q is not understood; see --help", f.Arg(0))
	}
	if s.quick {
		s.rounds, s.scale = 1, quickScale
	}
	return s, nil
}

func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "replogd-bench:", err)
		return exitUsage
	case s.list:
		for _, sc := range allScenarios() {
			long := ""
			if sc.Long {
				long = " (long)"
			}
			_, _ = fmt.Fprintf(stdout, "%-36s %s%s\n", sc.Name, sc.About, long)
		}
		return exitOK
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := measure(ctx, s, stdout, stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "replogd-bench:", err)
		return exitFailed
	}
	return exitOK
}

func measure(ctx context.Context, s settings, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp(s.dir, "replogd-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover in the scratch directory harms nobody
	contestants, err := s.contestants(ctx, dir)
	if err != nil {
		return err
	}
	scenarios := s.scenarios()
	if len(scenarios) == 0 {
		return fmt.Errorf("no scenario matches %q; see --list", s.only)
	}
	r, err := bench.Run(ctx, bench.Options{
		Contestants: contestants, Scenarios: scenarios, Rounds: s.rounds, Scale: s.scale, Dir: dir,
		Measured: func(m bench.Machine) { _, _ = fmt.Fprintln(stderr, m) }, // what the figures will hang on: the report is an hour away
		Progress: progress(stderr),
	})
	if r == nil {
		return err
	}
	return errors.Join(err, s.write(r, stdout))
}

// contestants are the peers, and replogd last: the first is the reference.
func (s *settings) contestants(ctx context.Context, dir string) (all []bench.Program, err error) {
	peers := s.peers
	if len(peers) == 0 {
		if path, err := exec.LookPath("redis-server"); err == nil {
			peers = []string{"redis=" + path}
		}
	}
	ours, err := s.findReplogd(ctx, dir)
	if err != nil {
		return nil, err
	}
	for _, peer := range append(peers, "replogd="+ours) {
		p, err := bench.ParseProgram(peer)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func (s *settings) findReplogd(ctx context.Context, dir string) (string, error) {
	if s.replogd != "" {
		return s.replogd, nil
	}
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), "replogd"); isFile(beside) {
			return beside, nil
		}
	}
	path := filepath.Join(dir, "replogd")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "replogd/cmd/replogd").CombinedOutput()
	if err == nil {
		return path, nil
	}
	if found, lerr := exec.LookPath("replogd"); lerr == nil {
		return found, nil
	}
	return "", fmt.Errorf("no replogd is found, and it could not be built: %w\n%s(name it with --replogd)", err, out)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// allScenarios are those that this machine can play.
func allScenarios() []bench.Scenario {
	sentinel, err := exec.LookPath("redis-sentinel")
	if err != nil {
		sentinel = ""
	}
	return bench.Scenarios(sentinel)
}

func (s *settings) scenarios() (chosen []bench.Scenario) {
	for _, sc := range allScenarios() {
		wanted := s.only == "" && (s.long || !sc.Long)
		for word := range strings.SplitSeq(s.only, ",") {
			wanted = wanted || word != "" && strings.Contains(sc.Name, word)
		}
		if wanted {
			chosen = append(chosen, sc)
		}
	}
	return chosen
}

// write prints the table, and the files that were asked for.
func (s *settings) write(r *bench.Report, stdout io.Writer) error {
	if s.jsonFile == "-" {
		return r.WriteJSON(stdout)
	}
	err := r.WriteText(stdout)
	for path, write := range map[string]func(io.Writer) error{s.jsonFile: r.WriteJSON, s.htmlFile: r.WriteHTML, s.pngFile: r.WritePNG} {
		if path != "" {
			err = errors.Join(err, writeFile(path, write))
		}
	}
	return err
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// progress is a bar on a terminal, and lines elsewhere.
func progress(out io.Writer) func(done, total int, what string) {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(done, total int, what string) {
			if what != "" {
				_, _ = fmt.Fprintf(out, "%d of %d: %s\n", done+1, total, what)
			}
		}
	}
	var bar *progressbar.ProgressBar
	return func(done, total int, what string) {
		if bar == nil {
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
		}
		bar.Describe(fmt.Sprintf("%-40s", what))
		_ = bar.Set(done) // for the eye only
	}
}

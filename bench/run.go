package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Options are one run.
type Options struct {
	Contestants []Program // the first is the reference of ratios
	Scenarios   []Scenario
	Rounds      int
	Scale       float64 // of sizes and times; 1 is the scenarios' own
	Dir         string  // scratch; everything in it that is made here is removed

	// Measured is called with the machine, before the first piece of work. nil: nobody looks.
	Measured func(Machine)

	// Progress is called before each piece of work. nil: nobody looks.
	Progress func(done, total int, what string)
}

// Report is what a run has found.
type Report struct {
	Machine     Machine   `json:"machine"`
	Began       time.Time `json:"began"`
	Took        string    `json:"took"`
	Rounds      int       `json:"rounds"`
	Scale       float64   `json:"scale"`
	Contestants []string  `json:"contestants"`
	Rows        []Row     `json:"rows"`
	Curves      []Curve   `json:"curves,omitempty"`
	Failures    []string  `json:"failures,omitempty"`
}

// Row is one value of one scenario.
type Row struct {
	Scenario string   `json:"scenario"`
	About    string   `json:"about"`
	Name     string   `json:"name"`
	Unit     string   `json:"unit"`
	Better   Better   `json:"better,omitempty"`
	Results  []Result `json:"results"` // in the order of the contestants
}

// Result is a contestant's: no samples if it failed.
type Result struct {
	Samples []float64 `json:"samples"`
	Median  float64   `json:"median"`
	Least   float64   `json:"least"`
	Most    float64   `json:"most"`
	Ratio   float64   `json:"ratio"` // of the medians, to the reference; 0 where there is none
}

// ErrBroken is wrapped by Run's error when a scenario could not be played to its end. The report has the others.
var ErrBroken = errors.New("bench: a scenario is broken")

// Run plays the scenarios. The report is whole, as far as it goes, also with an error.
func Run(ctx context.Context, o Options) (*Report, error) {
	if len(o.Contestants) == 0 || o.Rounds < 1 || o.Scale <= 0 {
		return nil, fmt.Errorf("bench: %d contestants, %d rounds, scale %v: nothing to measure", len(o.Contestants), o.Rounds, o.Scale)
	}
	if o.Progress == nil {
		o.Progress = func(int, int, string) {}
	}
	if o.Measured == nil {
		o.Measured = func(Machine) {}
	}
	r := &Report{Began: time.Now(), Rounds: o.Rounds, Scale: o.Scale}
	for _, p := range o.Contestants {
		r.Contestants = append(r.Contestants, p.Name)
	}
	var err error
	if r.Machine, err = MeasureMachine(o.Dir); err != nil {
		return r, err
	}
	o.Measured(r.Machine)
	total, done := len(o.Scenarios)*o.Rounds*len(o.Contestants), 0
	for _, s := range o.Scenarios {
		samples := newCollector(s, len(o.Contestants))
		for round := range o.Rounds {
			for i := range o.Contestants {
				c := (i + round) % len(o.Contestants) // who comes first changes
				p := o.Contestants[c]
				o.Progress(done, total, s.Name+" / "+p.Name)
				done++
				values, curves, err := play(ctx, o, s, p)
				if ctx.Err() != nil {
					return r, context.Cause(ctx)
				}
				if err != nil {
					r.Failures = append(r.Failures, fmt.Sprintf("%s / %s: %v", s.Name, p.Name, err))
					continue
				}
				samples.add(c, values)
				samples.draw(c, curves)
			}
		}
		r.Rows = append(r.Rows, samples.rows()...)
		r.Curves = append(r.Curves, samples.curves...)
	}
	o.Progress(total, total, "")
	r.Took = time.Since(r.Began).Round(time.Second).String()
	if len(r.Failures) > 0 {
		return r, fmt.Errorf("%w: %s", ErrBroken, strings.Join(r.Failures, "; "))
	}
	return r, nil
}

// play is one scenario with one contestant, once.
func play(ctx context.Context, o Options, s Scenario, p Program) ([]Value, []Curve, error) {
	dir, err := os.MkdirTemp(o.Dir, "run-")
	if err != nil {
		return nil, nil, err
	}
	e := &Env{Program: p, Dir: filepath.Join(dir, "servers"), Scale: o.Scale}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover in the scratch directory harms nobody
	defer e.close()
	values, err := s.Run(ctx, e)
	return values, e.curves, err
}

// collector gathers the samples of one scenario.
type collector struct {
	s           Scenario
	contestants int
	order       []string
	byName      map[string]*Row
	curves      []Curve
}

func newCollector(s Scenario, contestants int) *collector {
	return &collector{s: s, contestants: contestants, byName: map[string]*Row{}}
}

func (c *collector) add(contestant int, values []Value) {
	for _, v := range values {
		row := c.byName[v.Name]
		if row == nil {
			row = &Row{Scenario: c.s.Name, About: c.s.About, Name: v.Name, Unit: v.Unit, Better: v.Better, Results: make([]Result, c.contestants)}
			c.byName[v.Name] = row
			c.order = append(c.order, v.Name)
		}
		row.Results[contestant].Samples = append(row.Results[contestant].Samples, v.Number)
	}
}

// draw takes a contestant's curves; those of an earlier round make room.
func (c *collector) draw(contestant int, curves []Curve) {
	for _, drawn := range curves {
		at := slices.IndexFunc(c.curves, func(have Curve) bool { return have.Name == drawn.Name })
		if at < 0 {
			at = len(c.curves)
			c.curves = append(c.curves, Curve{Scenario: c.s.Name, Name: drawn.Name, X: drawn.X, Y: drawn.Y, Points: make([][]Point, c.contestants)})
		}
		c.curves[at].Points[contestant] = drawn.Points[0]
	}
}

func (c *collector) rows() (rows []Row) {
	for _, name := range c.order {
		row := c.byName[name]
		for i := range row.Results {
			row.Results[i].judge()
		}
		reference := row.Results[0]
		for i := range row.Results {
			if len(reference.Samples) > 0 && len(row.Results[i].Samples) > 0 && reference.Median != 0 {
				row.Results[i].Ratio = row.Results[i].Median / reference.Median
			}
		}
		rows = append(rows, *row)
	}
	return rows
}

func (r *Result) judge() {
	if len(r.Samples) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(r.Samples))
	n := len(sorted)
	r.Least, r.Most, r.Median = sorted[0], sorted[n-1], (sorted[(n-1)/2]+sorted[n/2])/2
}

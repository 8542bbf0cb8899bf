package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// WriteText prints the report as a table for people.
func (r *Report) WriteText(out io.Writer) error {
	if _, err := fmt.Fprintf(out, "%s\n%d rounds, scale %g, medians [least to most]; ratios to %s\n\n", r.Machine, r.Rounds, r.Scale, r.reference()); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	line := func(cells ...string) {
		for i, c := range cells {
			if i > 0 {
				_, _ = fmt.Fprint(w, "\t")
			}
			_, _ = fmt.Fprint(w, c) // Flush tells
		}
		_, _ = fmt.Fprintln(w)
	}
	line(append([]string{"scenario", "value"}, r.Contestants...)...)
	last := ""
	for _, row := range r.Rows {
		scenario := row.Scenario
		if scenario == last {
			scenario = ""
		}
		last = row.Scenario
		cells := []string{scenario, row.title()}
		for i := range row.Results {
			cells = append(cells, row.Results[i].text(i > 0))
		}
		line(cells...)
	}
	for _, f := range r.Failures {
		line("BROKEN", f)
	}
	return w.Flush()
}

func (r *Report) reference() string {
	if len(r.Contestants) == 0 {
		return "nothing"
	}
	return r.Contestants[0]
}

func (row *Row) title() string {
	if row.Unit == "" {
		return row.Name
	}
	return row.Name + ", " + row.Unit
}

func (r *Result) text(ratio bool) string {
	if len(r.Samples) == 0 {
		return "-"
	}
	text := short(r.Median)
	if len(r.Samples) > 1 {
		text += " [" + short(r.Least) + " to " + short(r.Most) + "]"
	}
	if ratio && r.Ratio != 0 {
		text += fmt.Sprintf(" %.2fx", r.Ratio)
	}
	return text
}

// short prints three or four digits that count.
func short(f float64) string {
	switch {
	case f >= 1000 || f == float64(int64(f)):
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case f >= 1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// WriteJSON prints the report for programs.
func (r *Report) WriteJSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

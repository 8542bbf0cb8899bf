package bench

import (
	_ "embed"
	"html/template"
	"io"
	"slices"
	"time"
)

//go:embed report.html.tmpl
var reportPage string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"short": short,
	"when":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
}).Parse(reportPage))

// chart is a Row as bars, each as wide as its share of the longest.
type chart struct {
	Title, About string
	Better       Better
	Bars         []bar
}

type bar struct {
	Name         string
	Text         string
	Width        float64 // per cent
	Least, Most  float64 // of the spread, in per cent of the longest bar
	Contestant   int
	HasReference bool
	Ratio        float64
}

// WriteHTML prints the report as one page that needs nothing else: charts are SVG.
func (r *Report) WriteHTML(out io.Writer) error {
	type section struct {
		Name, About string
		Charts      []chart
		Curves      []template.HTML
	}
	var sections []section
	for _, row := range r.Rows {
		if n := len(sections); n == 0 || sections[n-1].Name != row.Scenario {
			sections = append(sections, section{Name: row.Scenario, About: row.About})
		}
		s := &sections[len(sections)-1]
		s.Charts = append(s.Charts, r.chart(&row))
	}
	for i := range r.Curves {
		p, err := r.lines(&r.Curves[i])
		if err != nil {
			return err
		}
		drawn, err := svg(p)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(sections, func(s section) bool { return s.Name == r.Curves[i].Scenario })
		sections[at].Curves = append(sections[at].Curves, drawn)
	}
	return reportTemplate.Execute(out, map[string]any{"Report": r, "Sections": sections})
}

func (r *Report) chart(row *Row) chart {
	c := chart{Title: row.title(), Better: row.Better}
	longest := 0.0
	for i := range row.Results {
		longest = max(longest, row.Results[i].Most)
	}
	if longest == 0 {
		longest = 1
	}
	for i := range row.Results {
		res := &row.Results[i]
		c.Bars = append(c.Bars, bar{
			Name: r.Contestants[i], Text: res.text(i > 0), Contestant: i,
			Width: 100 * res.Median / longest, Least: 100 * res.Least / longest, Most: 100 * res.Most / longest,
		})
	}
	return c
}

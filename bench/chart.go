package bench

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"image/png"
	"io"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Sizes of charts, and how many stand side by side in the picture.
const (
	chartWidth   = 9 * vg.Centimeter
	chartHeight  = 5.5 * vg.Centimeter
	chartPadding = 4 * vg.Millimeter
	chartColumns = 3
	pictureDPI   = 110
)

// colours are the contestants', the same as in the page's style.
var colours = []color.RGBA{{0x9a, 0xa7, 0xb4, 0xff}, {0x25, 0x63, 0xa8, 0xff}, {0x2e, 0x8b, 0x57, 0xff}, {0xb5, 0x65, 0x1d, 0xff}}

func colourOf(contestant int) color.RGBA { return colours[contestant%len(colours)] }

func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font.Size = vg.Points(9)
	p.X.Label.TextStyle.Font.Size, p.Y.Label.TextStyle.Font.Size = vg.Points(8), vg.Points(8)
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.TextStyle.Font.Size = vg.Points(8)
	return p
}

// bars are the medians of a row.
func (r *Report) bars(row *Row) (*plot.Plot, error) {
	p := newPlot(row.Scenario + "\n" + row.title())
	p.Y.Min = 0
	p.NominalX(r.Contestants...)
	for i := range row.Results {
		if len(row.Results[i].Samples) == 0 {
			continue
		}
		b, err := plotter.NewBarChart(plotter.Values{row.Results[i].Median}, vg.Centimeter)
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", row.Scenario, err)
		}
		b.XMin, b.Color, b.LineStyle.Width = float64(i), colourOf(i), 0
		p.Add(b)
	}
	return p, nil
}

// lines are a curve of all contestants.
func (r *Report) lines(c *Curve) (*plot.Plot, error) {
	p := newPlot(c.Scenario + "\n" + c.Name)
	p.X.Label.Text, p.Y.Label.Text = string(c.X), string(c.Y)
	if c.X == AxisPercentile {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, percentileTicks{}
		p.X.Min, p.X.Max = 1, 10
	}
	for i, points := range c.Points {
		if len(points) == 0 {
			continue
		}
		xys := make(plotter.XYs, len(points))
		for j, q := range points {
			xys[j].X, xys[j].Y = q.X, q.Y
		}
		l, err := plotter.NewLine(xys)
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", c.Scenario, err)
		}
		l.Color, l.Width = colourOf(i), vg.Points(1.2)
		p.Add(l)
		p.Legend.Add(r.Contestants[i], l)
	}
	p.Y.Min = 0
	return p, nil
}

// percentileTicks are the percentiles that people speak of.
type percentileTicks struct{}

// Ticks is plot.Ticker's.
func (percentileTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	for i, label := range []string{"0", "90", "99", "99.9", "99.99", "99.999", "99.9999"} {
		x := 1.0
		for range i {
			x *= 10
		}
		if x >= low && x <= high {
			ticks = append(ticks, plot.Tick{Value: x, Label: label})
		}
	}
	return ticks
}

// svg draws a chart for a page.
func svg(p *plot.Plot) (template.HTML, error) {
	c := vgsvg.New(chartWidth*2, chartHeight*2)
	p.Draw(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", fmt.Errorf("draw a chart: %w", err)
	}
	text := b.String()
	text = text[max(0, strings.Index(text, "<svg")):] // a page needs no XML declaration

	return template.HTML(text), nil //nolint:gosec // the drawing library escapes what stands in it
}

// WritePNG draws all that is judged, and the curves, as one picture.
func (r *Report) WritePNG(out io.Writer) error {
	var plots []*plot.Plot
	for i := range r.Rows {
		if r.Rows[i].Better == None {
			continue
		}
		p, err := r.bars(&r.Rows[i])
		if err != nil {
			return err
		}
		plots = append(plots, p)
	}
	for i := range r.Curves {
		p, err := r.lines(&r.Curves[i])
		if err != nil {
			return err
		}
		plots = append(plots, p)
	}
	rows := max(1, (len(plots)+chartColumns-1)/chartColumns)
	img := vgimg.NewWith(vgimg.UseWH(chartColumns*chartWidth, vg.Length(rows)*chartHeight), vgimg.UseDPI(pictureDPI))
	canvas := draw.New(img)
	tiles := draw.Tiles{
		Rows: rows, Cols: chartColumns, PadX: chartPadding, PadY: chartPadding, PadTop: chartPadding, PadBottom: chartPadding,
		PadLeft: chartPadding, PadRight: chartPadding,
	}
	for i, p := range plots {
		p.Draw(tiles.At(canvas, i%chartColumns, i/chartColumns))
	}
	return png.Encode(out, img.Image())
}

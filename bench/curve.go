package bench

import (
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Axis is what one direction of a Curve means.
type Axis string

// The axes.
const (
	AxisSeconds    Axis = "seconds"
	AxisMillis     Axis = "milliseconds"
	AxisBytes      Axis = "bytes"
	AxisPercentile Axis = "percentile" // as 1/(1-p), so that the tail shows: 10 is p90, 1000 is p99.9
)

// Point is one point of a Curve.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Curve is something that is more than a number: latency by percentile, lag over time.
type Curve struct {
	Scenario string    `json:"scenario"`
	Name     string    `json:"name"`
	X        Axis      `json:"x_axis"`
	Y        Axis      `json:"y_axis"`
	Points   [][]Point `json:"points"` // in the order of the contestants, of each one's last round; none if it failed
}

// Draw notes a curve of the contestant at work.
func (e *Env) Draw(name string, x, y Axis, points []Point) {
	e.curves = append(e.curves, Curve{Name: name, X: x, Y: y, Points: [][]Point{points}})
}

// percentiles notes a histogram of microseconds as a curve.
func (e *Env) percentiles(name string, h *hdrhistogram.Histogram) {
	var points []Point
	for _, b := range h.CumulativeDistribution() {
		if b.Quantile < 100 {
			points = append(points, Point{X: 100 / (100 - b.Quantile), Y: float64(b.ValueAt) / 1000})
		}
	}
	if h.TotalCount() > 0 {
		points = append(points, Point{X: float64(h.TotalCount()), Y: float64(h.Max()) / 1000})
	}
	e.Draw(name, AxisPercentile, AxisMillis, points)
}

// maxPoints is how many points of a series are kept: as many as a chart can show.
const maxPoints = 400

// series is a curve over time that is being measured. Of each stretch of points that it has no room for, the highest stays.
type series []Point

func (s series) thinned() []Point {
	if len(s) <= maxPoints {
		return s
	}
	step := int(math.Ceil(float64(len(s)) / maxPoints))
	var kept []Point
	for from := 0; from < len(s); from += step {
		top := s[from]
		for _, p := range s[from:min(from+step, len(s))] {
			if p.Y > top.Y {
				top = p
			}
		}
		kept = append(kept, top)
	}
	return kept
}

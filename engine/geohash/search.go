package geohash

import "math"

// Shape is what a search looks for: a circle around a centre if Radius is not negative, else a box of Width and Height. All in metres.
type Shape struct {
	Center        Point
	Radius        float64
	Width, Height float64
}

// Contains reports whether a place lies in the shape, and how far it is from the centre.
func (s *Shape) Contains(p Point) (distance float64, ok bool) {
	if s.Radius >= 0 {
		distance = Distance(s.Center, p)
		return distance, distance <= s.Radius
	}
	if Distance(p, Point{s.Center.Longitude, p.Latitude}) > s.Width/2 || Distance(p, Point{p.Longitude, s.Center.Latitude}) > s.Height/2 {
		return 0, false
	}
	return Distance(s.Center, p), true
}

// Range is a range of scores: Low <= score < High.
type Range struct{ Low, High float64 }

// Ranges returns the ranges of scores that cover the shape, in the order in which Redis looks at them: the cell of the centre and those of
// its eight neighbours that the shape may reach into. Around the poles and in searches of half the world a range may come twice.
func (s *Shape) Ranges() []Range {
	box := s.bounds()
	c := encode(s.Center, minLatitude, maxLatitude, s.step())
	if c.step > 1 && !covered(c, box) {
		c = encode(s.Center, minLatitude, maxLatitude, c.step-1)
	}
	// From here on in Redis' order.
	around := [9]struct{ x, y int }{{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}}
	a := c.area()
	var ranges []Range
	var last cell
	for i, at := range around {
		if c.step >= 2 && (at.y < 0 && a.south < box.south || at.y > 0 && a.north > box.north ||
			at.x < 0 && a.west < box.west || at.x > 0 && a.east > box.east) {
			continue
		}
		next := c.shift(at.x, at.y)
		if i > 1 && next == last { // Redis does not compare with the first
			continue
		}
		low, high := next.scores()
		ranges = append(ranges, Range{low, high})
		if i > 0 {
			last = next
		}
	}
	return ranges
}

// reach is the distance in metres from the centre to the farthest point of the shape.
func (s *Shape) reach() float64 {
	if s.Radius >= 0 {
		return s.Radius
	}
	return math.Sqrt(float64((s.Width/2)*(s.Width/2)) + float64((s.Height/2)*(s.Height/2)))
}

// step is that of cells which, with their neighbours, cover the shape in most cases.
func (s *Shape) step() uint {
	reach, latitude := s.reach(), math.Abs(s.Center.Latitude)
	if reach == 0 {
		return steps
	}
	step := 1
	for ; reach < mercatorMax; reach *= 2 {
		step++
	}
	step -= 2
	if latitude > 66 { // towards the poles cells are narrow
		step--
	}
	if latitude > 80 {
		step--
	}
	return uint(min(max(step, 1), steps))
}

// bounds is a box in degrees around the shape.
func (s *Shape) bounds() area {
	width, height := s.Radius, s.Radius
	if s.Radius < 0 {
		width, height = s.Width/2, s.Height/2
	}
	lat := height / earthRadius / degree
	edge := s.Center.Latitude + lat // where the box is widest in degrees
	if s.Center.Latitude < 0 {
		edge = s.Center.Latitude - lat
	}
	long := width / earthRadius / math.Cos(edge*degree) / degree
	return area{s.Center.Longitude - long, s.Center.Latitude - lat, s.Center.Longitude + long, s.Center.Latitude + lat}
}

// covered reports whether the cell and its neighbours reach as far as the box around the shape.
func covered(c cell, box area) bool {
	return c.shift(0, 1).area().north >= box.north && c.shift(0, -1).area().south <= box.south &&
		c.shift(1, 0).area().east >= box.east && c.shift(-1, 0).area().west <= box.west
}

// Package geohash turns places into the 52-bit integers that Redis keeps as scores of a sorted set, and searches among them. It follows
// Redis 7.0 in every rounding: a score, a distance and the order of results are the same.
//
// # Format
//
// A cell is a rectangle of the map, from longitude -180 to 180 and latitude -85.05112878 to 85.05112878, the limits of the Mercator
// projection. Each step halves it both ways; step 26 has 52 bits, which a float64 holds exactly. Bit 2i is bit i of the latitude, bit 2i+1
// that of the longitude, counted from the south-west.
//
// The conversions to float64 in this package keep a compiler from fusing two operations, which would round differently from Redis.
package geohash

import "math"

// Limits of the map in degrees, and the number of steps of a place.
const (
	minLongitude, maxLongitude = -180, 180
	minLatitude, maxLatitude   = -85.05112878, 85.05112878

	steps = 26

	earthRadius = 6372797.560856         // metres, quadratic mean
	mercatorMax = 20037726.37            // metres, half of the map's width
	degree      = float64(math.Pi) / 180 // radians
)

// Point is a place in degrees.
type Point struct{ Longitude, Latitude float64 }

// InMap reports whether a place can be encoded.
func (p Point) InMap() bool {
	return p.Longitude >= minLongitude && p.Longitude <= maxLongitude && p.Latitude >= minLatitude && p.Latitude <= maxLatitude
}

// Score is the place's cell of step 26 as an integer.
func (p Point) Score() uint64 { return encode(p, minLatitude, maxLatitude, steps).bits }

// FromScore returns the middle of the cell that a score stands for, whatever the score.
func FromScore(score float64) Point {
	c := cell{scoreBits(score), steps}
	a := c.area()
	return Point{
		Longitude: clamp((a.west+a.east)/2, minLongitude, maxLongitude),
		Latitude:  clamp((a.south+a.north)/2, minLatitude, maxLatitude),
	}
}

func clamp(x, low, high float64) float64 { return min(max(x, low), high) }

// scoreBits converts as a processor does that has only signed conversions: a score need not come from a place.
func scoreBits(score float64) uint64 {
	if score < 1<<63 {
		return uint64(int64(score))
	}
	return uint64(int64(score-1<<63)) ^ 1<<63
}

// Text is the place as a standard geohash of 11 letters, which has latitudes from -90 to 90.
func (p Point) Text() string {
	const alphabet = "0123456789bcdefghjkmnpqrstuvwxyz"
	bits := encode(p, -90, 90, steps).bits
	var text [11]byte
	for i := range text {
		text[i] = alphabet[0]
		if shift := 2*steps - 5*(i+1); shift >= 0 {
			text[i] = alphabet[bits>>shift&31]
		}
	}
	return string(text[:])
}

// cell is a rectangle of the map. The zero cell is none.
type cell struct {
	bits uint64
	step uint
}

// encode returns the cell of a place. south and north are the limits of the map.
func encode(p Point, south, north float64, step uint) cell {
	scale := float64(uint64(1) << step)
	y := float64((p.Latitude-south)/(north-south)) * scale
	x := float64((p.Longitude-minLongitude)/(maxLongitude-minLongitude)) * scale
	return cell{spread(uint32(y)) | spread(uint32(x))<<1, step}
}

// spread puts a zero bit above each bit of x; gather is its inverse, and leaves out the odd bits.
func spread(x uint32) uint64 {
	v := uint64(x)
	v = (v | v<<16) & 0x0000FFFF0000FFFF
	v = (v | v<<8) & 0x00FF00FF00FF00FF
	v = (v | v<<4) & 0x0F0F0F0F0F0F0F0F
	v = (v | v<<2) & 0x3333333333333333
	return (v | v<<1) & 0x5555555555555555
}

func gather(v uint64) uint32 {
	v &= 0x5555555555555555
	v = (v | v>>1) & 0x3333333333333333
	v = (v | v>>2) & 0x0F0F0F0F0F0F0F0F
	v = (v | v>>4) & 0x00FF00FF00FF00FF
	v = (v | v>>8) & 0x0000FFFF0000FFFF
	return uint32(v | v>>16)
}

// area are the borders of a cell in degrees.
type area struct{ west, south, east, north float64 }

func (c cell) area() area {
	at := func(n uint32, low, size float64) float64 {
		return low + float64(float64(float64(n)/float64(uint64(1)<<c.step))*size)
	}
	y, x := gather(c.bits), gather(c.bits>>1)
	const width, height = maxLongitude - minLongitude, maxLatitude - minLatitude
	return area{at(x, minLongitude, width), at(y, minLatitude, height), at(x+1, minLongitude, width), at(y+1, minLatitude, height)}
}

// shift returns the cell x cells to the east and y to the north; the map's borders wrap. The very border in the north and the east lies in
// cells of its own, which it leaves as they are in the direction in which it does not move.
func (c cell) shift(x, y int) cell {
	mask := uint32(uint64(1)<<c.step - 1)
	row, column := gather(c.bits), gather(c.bits>>1)
	if y != 0 {
		row = (row + uint32(int32(y))) & mask
	}
	if x != 0 {
		column = (column + uint32(int32(x))) & mask
	}
	return cell{spread(row) | spread(column)<<1, c.step}
}

// scores are the scores within the cell: low <= score < high.
func (c cell) scores() (low, high float64) {
	shift := 2*steps - 2*c.step
	return float64(c.bits << shift), float64((c.bits + 1) << shift)
}

// Distance is that between two places in metres, along a great circle.
func Distance(a, b Point) float64 {
	lat1, lat2 := a.Latitude*degree, b.Latitude*degree
	u := math.Sin((lat2 - lat1) / 2)
	v := math.Sin((b.Longitude*degree - a.Longitude*degree) / 2)
	h := float64(u*u) + float64(float64(float64(math.Cos(lat1)*math.Cos(lat2))*v)*v)
	return 2 * earthRadius * math.Asin(math.Sqrt(h))
}

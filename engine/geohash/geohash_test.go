package geohash

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func somePoint(t *rapid.T, latitude float64) Point {
	return Point{rapid.Float64Range(minLongitude, maxLongitude).Draw(t, "longitude"), rapid.Float64Range(-latitude, latitude).Draw(t, "latitude")}
}

// A place comes back from its score within half a cell, and has the same score again.
func TestScoresAreWhereTheyCameFrom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := somePoint(t, maxLatitude)
		if p.Longitude == maxLongitude || p.Latitude == maxLatitude {
			return // the very edge has a bit more than a float64 holds, in Redis too
		}
		q := FromScore(float64(p.Score()))
		require.InDelta(t, p.Longitude, q.Longitude, 360.0/(1<<26))
		require.InDelta(t, p.Latitude, q.Latitude, 171.0/(1<<26))
		require.Equal(t, p.Score(), q.Score())
		require.Len(t, p.Text(), 11)
	})
}

// Away from the poles and from the map's edges, the ranges of a circle hold every place in it.
func TestRangesCoverCircles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Shape{
			Center: Point{rapid.Float64Range(-120, 120).Draw(t, "longitude"), rapid.Float64Range(-55, 55).Draw(t, "latitude")},
			Radius: rapid.Float64Range(1, 1e6).Draw(t, "radius"),
		}
		angle, far := rapid.Float64Range(0, 2*math.Pi).Draw(t, "angle"), rapid.Float64Range(0, 1).Draw(t, "far")*s.Radius
		p := Point{
			s.Center.Longitude + far*math.Cos(angle)/earthRadius/degree/math.Cos(s.Center.Latitude*degree),
			s.Center.Latitude + far*math.Sin(angle)/earthRadius/degree,
		}
		if _, ok := s.Contains(p); !ok {
			return
		}
		score := float64(p.Score())
		in := 0
		for _, r := range s.Ranges() {
			if r.Low <= score && score < r.High {
				in++
			}
		}
		require.Equal(t, 1, in, "%v in %v", p, s)
	})
}

func TestStandardGeohash(t *testing.T) {
	require.Equal(t, "sqc8b49rny0", FromScore(float64(Point{13.361389, 38.115556}.Score())).Text())
}

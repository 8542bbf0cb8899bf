package engine

import (
	"bytes"
	"fmt"
	"strconv"

	"replogd/engine/geohash"
)

// Places are members of a sorted set whose scores are those of package geohash.

// argPoint reads args[i] and args[i+1] as longitude and latitude, or answers the error.
func (c *call) argPoint(i int) (p geohash.Point, ok bool) {
	if p.Longitude, ok = c.argScore(i); !ok {
		return p, false
	}
	if p.Latitude, ok = c.argScore(i + 1); !ok {
		return p, false
	}
	if !p.InMap() {
		c.w.Error(fmt.Sprintf("ERR invalid longitude,latitude pair %f,%f", p.Longitude, p.Latitude))
		return p, false
	}
	return p, true
}

// argUnit reads args[i] as a unit and returns its metres, or answers the error.
func (c *call) argUnit(i int) (metres float64, ok bool) {
	switch arg := c.args[i]; {
	case isWord(arg, "M"):
		return 1, true
	case isWord(arg, "KM"):
		return 1000, true
	case isWord(arg, "FT"):
		return 0.3048, true
	case isWord(arg, "MI"):
		return 1609.34, true
	}
	c.w.Error("ERR unsupported unit provided. please use M, KM, FT, MI")
	return 0, false
}

// replyCoordinate writes an angle as Redis does: with 17 digits behind the point, the last of them other than 0.
func (c *call) replyCoordinate(degrees float64) {
	text := strconv.AppendFloat(nil, degrees, 'f', 17, 64)
	text = bytes.TrimRight(text, "0")
	text = bytes.TrimSuffix(text, []byte{'.'})
	if bytes.Equal(text, []byte("-0")) {
		text = text[1:]
	}
	c.w.DoubleText(text)
}

// replyDistance writes a distance with 4 digits behind the point.
func (c *call) replyDistance(d float64) { c.w.Bulk(strconv.AppendFloat(nil, d, 'f', 4, 64)) }

// cmdGeoAdd is GEOADD key [NX|XX] [CH] longitude latitude member [longitude latitude member ...]. Its effect is the ZADD that it runs as.
func cmdGeoAdd(c *call) error {
	at, nx, xx := 2, false, false
options:
	for ; at < len(c.args); at++ {
		switch arg := c.args[at]; {
		case isWord(arg, "NX"):
			nx = true
		case isWord(arg, "XX"):
			xx = true
		case !isWord(arg, "CH"):
			break options
		}
	}
	if (len(c.args)-at)%3 != 0 || nx && xx {
		c.w.Error(errSyntax)
		return nil
	}
	zadd := append([][]byte{[]byte("zadd")}, c.args[1:at]...)
	for i := at; i < len(c.args); i += 3 {
		p, ok := c.argPoint(i)
		if !ok {
			return nil
		}
		zadd = append(zadd, strconv.AppendUint(nil, p.Score(), 10), c.args[i+2])
	}
	c.args = zadd
	return cmdZAdd(c)
}

// eachMember opens a sorted set on one view and calls found, or absent, for args[2], args[3] and so on.
func (c *call) eachMember(found func(score float64), absent func()) error {
	return c.onView(func() error {
		x, ok, err := c.openZSet(c.args[1])
		if err != nil || !ok {
			return err
		}
		c.w.Array(len(c.args) - 2)
		for _, member := range c.args[2:] {
			score, ok, err := x.score(member)
			switch {
			case err != nil:
				return err
			case ok:
				found(score)
			default:
				absent()
			}
		}
		return nil
	})
}

// cmdGeoHash is GEOHASH key [member ...].
func cmdGeoHash(c *call) error {
	return c.eachMember(func(score float64) { c.w.BulkString(geohash.FromScore(score).Text()) }, c.w.Null)
}

// cmdGeoPos is GEOPOS key [member ...].
func cmdGeoPos(c *call) error {
	return c.eachMember(func(score float64) { c.replyPoint(geohash.FromScore(score)) }, c.w.NullArray)
}

func (c *call) replyPoint(p geohash.Point) {
	c.w.Array(2)
	c.replyCoordinate(p.Longitude)
	c.replyCoordinate(p.Latitude)
}

// cmdGeoDist is GEODIST key member1 member2 [M|KM|FT|MI].
func cmdGeoDist(c *call) error {
	metres := 1.0
	switch {
	case len(c.args) == 5:
		var ok bool
		if metres, ok = c.argUnit(4); !ok {
			return nil
		}
	case len(c.args) > 5:
		c.w.Error(errSyntax)
		return nil
	}
	return c.onView(func() error {
		x, ok, err := c.openZSet(c.args[1])
		if err != nil || !ok {
			return err
		}
		from, ok, err := x.score(c.args[2])
		if err != nil {
			return err
		}
		to, ok2, err := x.score(c.args[3])
		if err != nil {
			return err
		}
		if !ok || !ok2 {
			c.w.Null()
			return nil
		}
		c.replyDistance(geohash.Distance(geohash.FromScore(from), geohash.FromScore(to)) / metres)
		return nil
	})
}

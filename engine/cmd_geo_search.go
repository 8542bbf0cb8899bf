package engine

import (
	"bytes"
	"cmp"
	"slices"

	"replogd/engine/geohash"
	"replogd/engine/resp"
)

// geoForm is which command a search is.
type geoForm struct {
	byMember bool // GEORADIUSBYMEMBER: args[2] is the centre's member
	readOnly bool // _RO: STORE and STOREDIST are not options
	search   bool // GEOSEARCH: the centre and the shape are options
	store    bool // GEOSEARCHSTORE: args[1] is the destination
}

// geoQuery is a parsed search.
type geoQuery struct {
	form   geoForm
	x      zset
	shape  geohash.Shape
	metres float64 // of the unit

	fromMember, fromPoint, byRadius, byBox bool

	withDist, withHash, withCoord bool

	order     int // 1: nearest first, -1: farthest first, 0: as found
	count     int64
	any       bool
	storeKey  []byte // nil: reply
	storeDist bool
}

// geoFound is a place that a search has found.
type geoFound struct {
	scored
	point    geohash.Point
	distance float64 // metres
}

// cmdGeoRadius is GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT n [ANY]] [ASC|DESC] [STORE key]
// [STOREDIST key].
func cmdGeoRadius(c *call) error { return c.geoSearch(geoForm{}) }

// cmdGeoRadiusRO is GEORADIUS_RO, GEORADIUS without STORE and STOREDIST.
func cmdGeoRadiusRO(c *call) error { return c.geoSearch(geoForm{readOnly: true}) }

// cmdGeoRadiusByMember is GEORADIUSBYMEMBER key member radius unit, with the options of GEORADIUS.
func cmdGeoRadiusByMember(c *call) error { return c.geoSearch(geoForm{byMember: true}) }

// cmdGeoRadiusByMemberRO is GEORADIUSBYMEMBER_RO.
func cmdGeoRadiusByMemberRO(c *call) error {
	return c.geoSearch(geoForm{byMember: true, readOnly: true})
}

// cmdGeoSearch is GEOSEARCH key FROMMEMBER member|FROMLONLAT longitude latitude BYRADIUS radius unit|BYBOX width height unit [ASC|DESC]
// [COUNT n [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH].
func cmdGeoSearch(c *call) error { return c.geoSearch(geoForm{search: true, readOnly: true}) }

// cmdGeoSearchStore is GEOSEARCHSTORE destination source, with the options of GEOSEARCH that do not change the reply, and STOREDIST.
func cmdGeoSearchStore(c *call) error {
	return c.geoSearch(geoForm{search: true, store: true})
}

func (c *call) geoSearch(form geoForm) error {
	return c.onView(func() error {
		q, ok, err := c.parseGeo(form)
		if err != nil || !ok {
			return err
		}
		found, err := q.find()
		if err != nil {
			return err
		}
		if q.storeKey == nil {
			q.reply(c, found)
			return nil
		}
		if q.storeDist {
			return c.storeDistances(q, found)
		}
		members := make([]scored, len(found))
		for i := range found {
			members[i] = found[i].scored
		}
		return c.storeZSet(q.storeKey, members)
	})
}

// storeDistances stores distances as scores. The effect is the scores themselves, unlike Redis', which is the command as it was given: the
// last bit of an arc sine differs from one C library to the next, let alone to Go, and data that follows from the stream must not.
func (c *call) storeDistances(q *geoQuery, found []geoFound) error {
	if len(found) == 0 {
		return c.storeZSet(q.storeKey, nil)
	}
	to, err := c.open(c.db, q.storeKey)
	if err != nil {
		return err
	}
	if to.ok {
		c.propagate(c.db, []byte("DEL"), q.storeKey)
	}
	members := make([]scored, len(found))
	zadd := [][]byte{[]byte("ZADD"), q.storeKey}
	for i := range found {
		members[i] = scored{found[i].member, found[i].distance / q.metres}
		zadd = append(zadd, resp.AppendDouble(nil, members[i].score), found[i].member)
	}
	c.args = zadd
	return c.storeZSet(q.storeKey, members)
}

// parseGeo reads a search; ok is false when an error was answered.
func (c *call) parseGeo(form geoForm) (q *geoQuery, ok bool, err error) {
	q = &geoQuery{form: form, metres: 1}
	source := 1
	if form.store {
		source, q.storeKey = 2, c.args[1]
	}
	if q.x, ok, err = c.openZSet(c.args[source]); err != nil || !ok {
		return nil, false, err
	}
	at := source + 1
	switch {
	case form.search:
	case form.byMember:
		at = 5
		if q.x.k.ok {
			if ok, err = c.geoFromMember(q, 2); err != nil || !ok {
				return nil, false, err
			}
			if !c.geoRadius(q, 3) {
				return nil, false, nil
			}
		}
	default:
		at = 6
		if q.shape.Center, ok = c.argPoint(2); !ok || !c.geoRadius(q, 4) {
			return nil, false, nil
		}
	}
	for at < len(c.args) {
		n, err := c.parseGeoOption(q, at)
		if err != nil || n == 0 {
			return nil, false, err
		}
		at += n
	}
	if text := q.refusal(c.args[0]); text != "" {
		c.w.Error(text)
		return nil, false, nil
	}
	if q.count != 0 && q.order == 0 && !q.any {
		q.order = 1
	}
	return q, true, nil
}

// parseGeoOption reads the option at args[at] and returns how many arguments it takes; 0: an error was answered.
func (c *call) parseGeoOption(q *geoQuery, at int) (n int, err error) {
	arg, left := c.args[at], len(c.args)-at-1
	switch {
	case isWord(arg, "WITHDIST"):
		q.withDist = true
	case isWord(arg, "WITHHASH"):
		q.withHash = true
	case isWord(arg, "WITHCOORD"):
		q.withCoord = true
	case isWord(arg, "ANY"):
		q.any = true
	case isWord(arg, "ASC"):
		q.order = 1
	case isWord(arg, "DESC"):
		q.order = -1
	case isWord(arg, "COUNT") && left >= 1:
		var ok bool
		if q.count, ok = c.argInt(at + 1); !ok {
			return 0, nil
		}
		if q.count <= 0 {
			c.w.Error("ERR COUNT must be > 0")
			return 0, nil
		}
		return 2, nil
	case q.form.search:
		return c.parseGeoShape(q, at)
	case isWord(arg, "STORE") && left >= 1 && !q.form.readOnly:
		q.storeKey, q.storeDist = c.args[at+1], false
		return 2, nil
	case isWord(arg, "STOREDIST") && left >= 1 && !q.form.readOnly:
		q.storeKey, q.storeDist = c.args[at+1], true
		return 2, nil
	default:
		c.w.Error(errSyntax)
		return 0, nil
	}
	return 1, nil
}

// parseGeoShape is parseGeoOption for the options that only GEOSEARCH and GEOSEARCHSTORE have.
func (c *call) parseGeoShape(q *geoQuery, at int) (n int, err error) {
	arg, left := c.args[at], len(c.args)-at-1
	ok := false
	switch {
	case isWord(arg, "STOREDIST") && q.form.store:
		q.storeDist = true
		return 1, nil
	case isWord(arg, "FROMMEMBER") && left >= 1 && !q.fromPoint:
		n, q.fromMember, ok = 2, true, true
		if q.x.k.ok {
			ok, err = c.geoFromMember(q, at+1)
		}
	case isWord(arg, "FROMLONLAT") && left >= 2 && !q.fromMember:
		n, q.fromPoint = 3, true
		q.shape.Center, ok = c.argPoint(at + 1)
	case isWord(arg, "BYRADIUS") && left >= 2 && !q.byBox:
		n, q.byRadius = 3, true
		ok = c.geoRadius(q, at+1)
	case isWord(arg, "BYBOX") && left >= 3 && !q.byRadius:
		n, q.byBox = 4, true
		ok = c.geoBox(q, at+1)
	default:
		c.w.Error(errSyntax)
	}
	if err != nil || !ok {
		return 0, err
	}
	return n, nil
}

// geoFromMember takes the centre from a member, or answers the error.
func (c *call) geoFromMember(q *geoQuery, i int) (ok bool, err error) {
	score, ok, err := q.x.score(c.args[i])
	if err != nil {
		return false, err
	}
	if !ok {
		c.w.Error("ERR could not decode requested zset member")
		return false, nil
	}
	q.shape.Center = geohash.FromScore(score)
	return true, nil
}

// geoRadius reads args[i] and args[i+1] as a radius and its unit, or answers the error.
func (c *call) geoRadius(q *geoQuery, i int) bool {
	radius, ok := resp.ParseFloat(c.args[i])
	if !ok {
		c.w.Error("ERR need numeric radius")
		return false
	}
	if radius < 0 {
		c.w.Error("ERR radius cannot be negative")
		return false
	}
	if q.metres, ok = c.argUnit(i + 1); !ok {
		return false
	}
	q.shape.Radius = radius * q.metres
	return true
}

// geoBox reads width, height and their unit from args[i] on, or answers the error.
func (c *call) geoBox(q *geoQuery, i int) bool {
	width, ok := resp.ParseFloat(c.args[i])
	if !ok {
		c.w.Error("ERR need numeric width")
		return false
	}
	height, ok := resp.ParseFloat(c.args[i+1])
	if !ok {
		c.w.Error("ERR need numeric height")
		return false
	}
	if width < 0 || height < 0 {
		c.w.Error("ERR height or width cannot be negative")
		return false
	}
	if q.metres, ok = c.argUnit(i + 2); !ok {
		return false
	}
	q.shape.Radius, q.shape.Width, q.shape.Height = -1, width*q.metres, height*q.metres
	return true
}

// refusal is the error of options that do not go together, "" if they do.
func (q *geoQuery) refusal(command []byte) string {
	switch {
	case q.storeKey != nil && (q.withDist || q.withHash || q.withCoord):
		what := "STORE option in GEORADIUS"
		if q.form.store {
			what = "GEOSEARCHSTORE"
		}
		return "ERR " + what + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
	case q.form.search && !q.fromMember && !q.fromPoint:
		return "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + string(command)
	case q.form.search && !q.byRadius && !q.byBox:
		return "ERR exactly one of BYRADIUS and BYBOX can be specified for " + string(command)
	case q.any && q.count == 0:
		return "ERR the ANY argument requires COUNT argument"
	}
	return ""
}

// find collects what the search asks for, in its order.
func (q *geoQuery) find() (found []geoFound, err error) {
	if !q.x.k.ok {
		return nil, nil
	}
	for _, r := range q.shape.Ranges() {
		if q.any && int64(len(found)) >= q.count {
			break
		}
		lower, upper := q.x.scoresBetween(scoreBound{score: r.Low}, scoreBound{score: r.High, exclusive: true})
		if bytes.Compare(lower, upper) >= 0 {
			continue
		}
		err := q.x.walkScores(lower, upper, false, func(member []byte, score float64) (bool, error) {
			p := geohash.FromScore(score)
			if distance, ok := q.shape.Contains(p); ok {
				found = append(found, geoFound{scored{bytes.Clone(member), score}, p, distance})
			}
			return !q.any || int64(len(found)) < q.count, nil
		})
		if err != nil {
			return nil, err
		}
	}
	if q.order != 0 {
		slices.SortStableFunc(found, func(a, b geoFound) int { return q.order * cmp.Compare(a.distance, b.distance) })
	}
	if q.count != 0 && int64(len(found)) > q.count {
		found = found[:q.count]
	}
	return found, nil
}

func (q *geoQuery) reply(c *call, found []geoFound) {
	parts := 1
	for _, with := range []bool{q.withDist, q.withHash, q.withCoord} {
		if with {
			parts++
		}
	}
	c.w.Array(len(found))
	for i := range found {
		f := &found[i]
		if parts > 1 {
			c.w.Array(parts)
		}
		c.w.Bulk(f.member)
		if q.withDist {
			c.replyDistance(f.distance / q.metres)
		}
		if q.withHash {
			c.w.Int(int64(f.score))
		}
		if q.withCoord {
			c.replyPoint(f.point)
		}
	}
}

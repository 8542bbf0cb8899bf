package engine

// expireOptions are the conditions of EXPIRE and its relatives.
type expireOptions struct{ nx, xx, gt, lt bool }

// parseExpireOptions reads args[3:], or answers the error.
func (c *call) parseExpireOptions() (o expireOptions, ok bool) {
	for _, arg := range c.args[3:] {
		switch {
		case isWord(arg, "NX"):
			o.nx = true
		case isWord(arg, "XX"):
			o.xx = true
		case isWord(arg, "GT"):
			o.gt = true
		case isWord(arg, "LT"):
			o.lt = true
		default:
			c.w.Error("ERR Unsupported option " + string(cString(arg)))
			return o, false
		}
	}
	if o.nx && (o.xx || o.gt || o.lt) {
		c.w.Error("ERR NX and XX, GT or LT options at the same time are not compatible")
		return o, false
	}
	if o.gt && o.lt {
		c.w.Error("ERR GT and LT options at the same time are not compatible")
		return o, false
	}
	return o, true
}

// allow reports whether a key that has the time current (0: none, which counts as infinity) may get the time at.
func (o expireOptions) allow(current, at int64) bool {
	has := current != 0
	return !(o.nx && has ||
		o.xx && !has ||
		o.gt && (!has || at <= current) ||
		o.lt && has && at >= current)
}

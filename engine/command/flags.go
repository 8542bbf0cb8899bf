package command

// Flags are Redis' command flags (COMMAND INFO).
type Flags uint64

// The flags, in Redis' words where it has them.
const (
	Write                Flags = 1 << iota // may change keys
	ReadOnly                               // reads keys and changes none
	DenyOOM                                // refused when memory is short
	Admin                                  // for operators
	PubSub                                 // about publish and subscribe
	NoScript                               // not allowed in scripts
	Blocking                               // may block the client
	Loading                                // allowed while the server loads its data
	Stale                                  // allowed on a replica with stale data
	SkipMonitor                            // not shown to MONITOR
	SkipSlowlog                            // not recorded in the slow log
	Asking                                 // cluster: implies ASKING
	Fast                                   // constant or logarithmic time
	NoAuth                                 // allowed before AUTH
	MayReplicate                           // not a write, yet may reach replicas
	NoMulti                                // not allowed in MULTI
	MovableKeys                            // the triple does not find all keys
	AllowBusy                              // allowed while a script runs too long
	NoAsyncLoading                         // refused while a diskless load swaps data in
	NoMandatoryKeys                        // may have no keys at all
	TouchesArbitraryKeys                   // uses keys that are not arguments
)

// flagNames are the flags that COMMAND INFO shows, in its order.
var flagNames = []struct {
	flag Flags
	name string
}{
	{Write, "write"},
	{ReadOnly, "readonly"},
	{DenyOOM, "denyoom"},
	{Admin, "admin"},
	{PubSub, "pubsub"},
	{NoScript, "noscript"},
	{Blocking, "blocking"},
	{Loading, "loading"},
	{Stale, "stale"},
	{SkipMonitor, "skip_monitor"},
	{SkipSlowlog, "skip_slowlog"},
	{Asking, "asking"},
	{Fast, "fast"},
	{NoAuth, "no_auth"},
	{NoMandatoryKeys, "no_mandatory_keys"},
	{NoAsyncLoading, "no_async_loading"},
	{NoMulti, "no_multi"},
	{MovableKeys, "movablekeys"},
	{AllowBusy, "allow_busy"},
}

// Has reports whether f holds all of want.
func (f Flags) Has(want Flags) bool { return f&want == want }

// Names returns the flags that COMMAND INFO shows, in its order.
func (f Flags) Names() []string {
	names := []string{}
	for _, n := range flagNames {
		if f.Has(n.flag) {
			names = append(names, n.name)
		}
	}
	return names
}

// categoryNames are the ACL categories in Redis' order.
var categoryNames = []string{
	"@keyspace", "@read", "@write", "@set", "@sortedset", "@list", "@hash", "@string", "@bitmap", "@hyperloglog", "@geo",
	"@stream", "@pubsub", "@admin", "@fast", "@slow", "@blocking", "@dangerous", "@connection", "@transaction", "@scripting",
}

// impliedCategories are the categories that follow from flags.
func impliedCategories(f Flags) []string {
	var c []string
	for _, rule := range []struct {
		flag  Flags
		names []string
	}{
		{Write, []string{"@write"}},
		{ReadOnly, []string{"@read"}},
		{Admin, []string{"@admin", "@dangerous"}},
		{PubSub, []string{"@pubsub"}},
		{Fast, []string{"@fast"}},
		{Blocking, []string{"@blocking"}},
	} {
		if f.Has(rule.flag) {
			c = append(c, rule.names...)
		}
	}
	if !f.Has(Fast) {
		c = append(c, "@slow")
	}
	return c
}

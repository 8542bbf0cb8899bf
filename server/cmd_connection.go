package server

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"math"
	"strings"

	"replogd/engine/resp"
)

// connectionCommands concern one connection and no data.
var connectionCommands = map[string]handler{
	"ping": cmdPing, "echo": cmdEcho, "quit": cmdQuit, "reset": cmdReset, "auth": cmdAuth, "hello": cmdHello, "select": cmdSelect,
}

// Error texts that several commands share, as Redis 7.0.15 words them.
const (
	errSyntax     = "ERR syntax error"
	errNotInteger = "ERR value is not an integer or out of range"
	errWrongPass  = "WRONGPASS invalid username-password pair or user is disabled."
	errNoPassword = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
	errHelloAuth  = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> " +
		"option can be used to authenticate the client and select the RESP protocol version at the same time"
	errClientName = "ERR Client names cannot contain spaces, newlines or special characters."
)

// cmdPing is PING [message]. A subscriber in protocol 2 gets its answer in the form of a message.
func cmdPing(c *conn, args [][]byte) {
	switch {
	case len(args) > 2:
		c.w.Error(wrongArity("ping"))
	case c.w.Proto != 3 && c.subs.subscribed():
		c.w.Array(2)
		c.w.BulkString("pong")
		c.w.Bulk(bytes.Join(args[1:], nil))
	case len(args) == 1:
		c.w.Simple("PONG")
	default:
		c.w.Bulk(args[1])
	}
}

func cmdEcho(c *conn, args [][]byte) { c.w.Bulk(args[1]) }

func cmdQuit(c *conn, _ [][]byte) {
	c.w.OK()
	c.closeAfterReply()
}

// cmdReset makes the connection as good as new; with a password set it has to authenticate again.
func cmdReset(c *conn, _ [][]byte) {
	c.authenticated = c.srv.cfg.Current().RequirePass == ""
	c.selectDB(0)
	c.setProto(2)
	c.setName("")
	c.setFlag(flagNoEvict, false)
	c.replyOff, c.replySkip, c.replySkipNext = false, false, false
	c.peer = nil
	c.discard()
	c.leaveHub()
	c.w.Simple("RESET")
}

func cmdAuth(c *conn, args [][]byte) {
	user, pass := defaultUser, args[1]
	switch len(args) {
	case 2:
		if c.srv.cfg.Current().RequirePass == "" {
			c.w.Error(errNoPassword)
			return
		}
	case 3:
		user, pass = string(args[1]), args[2]
	default:
		c.w.Error(errSyntax)
		return
	}
	if !c.login(user, pass) {
		c.w.Error(errWrongPass)
		return
	}
	c.w.OK()
}

// defaultUser is the only user there is.
const defaultUser = "default"

// login authenticates the connection. Without a configured password any password will do, as in Redis. A failure leaves an
// authenticated connection as it was.
func (c *conn) login(user string, pass []byte) bool {
	want := c.srv.cfg.Current().RequirePass
	a, b := sha256.Sum256(pass), sha256.Sum256([]byte(want)) // equal lengths, so that the comparison tells nothing by its time
	same := subtle.ConstantTimeCompare(a[:], b[:]) == 1
	if user != defaultUser || (want != "" && !same) {
		c.srv.log.Warn("authentication failed", "client", c.addr, "id", c.id)
		return false
	}
	c.authenticated = true
	return true
}

// helloOptions are what HELLO was given.
type helloOptions struct {
	proto   int // 0: not given
	auth    bool
	user    string
	pass    []byte
	name    string
	setName bool
}

func parseHello(args [][]byte) (o helloOptions, refusal string) {
	if len(args) >= 2 {
		n, ok := resp.ParseInt(args[1])
		if !ok {
			return o, "ERR Protocol version is not an integer or out of range"
		}
		if n < 2 || n > 3 {
			return o, "NOPROTO unsupported protocol version"
		}
		o.proto = int(n)
	}
	for i := 2; i < len(args); i++ {
		more := len(args) - 1 - i
		switch opt := strings.ToLower(string(args[i])); {
		case opt == "auth" && more >= 2:
			o.auth, o.user, o.pass = true, string(args[i+1]), args[i+2]
			i += 2
		case opt == "setname" && more >= 1:
			o.setName, o.name = true, string(args[i+1])
			if !validName(o.name) {
				return o, errClientName
			}
			i++
		default:
			return o, "ERR Syntax error in HELLO option '" + shown(args[i], maxUnknownArgs) + "'"
		}
	}
	return o, ""
}

func cmdHello(c *conn, args [][]byte) {
	o, refusal := parseHello(args)
	if refusal != "" {
		c.w.Error(refusal)
		return
	}
	if o.auth && !c.login(o.user, o.pass) {
		c.w.Error(errWrongPass)
		return
	}
	if c.authRequired() {
		c.w.Error(errHelloAuth)
		return
	}
	if o.setName {
		c.setName(o.name)
	}
	if o.proto != 0 {
		c.setProto(o.proto)
	}
	role := "master"
	if isReplica(c.parts(), c.srv.cfg.Current()) {
		role = "replica"
	}
	c.w.Map(7)
	c.w.BulkString("server")
	c.w.BulkString("redis")
	c.w.BulkString("version")
	c.w.BulkString(CompatVersion)
	c.w.BulkString("proto")
	c.w.Int(int64(c.w.Proto))
	c.w.BulkString("id")
	c.w.Int(c.id)
	c.w.BulkString("mode")
	c.w.BulkString("standalone")
	c.w.BulkString("role")
	c.w.BulkString(role)
	c.w.BulkString("modules")
	c.w.Array(0)
}

func cmdSelect(c *conn, args [][]byte) {
	n, ok := resp.ParseInt(args[1])
	switch {
	case !ok:
		c.w.Error(errNotInteger)
	case n < math.MinInt32 || n > math.MaxInt32:
		c.w.Error("ERR value is out of range, value must between -2147483648 and 2147483647")
	case n < 0 || n >= int64(c.srv.cfg.Current().Databases):
		c.w.Error("ERR DB index is out of range")
	default:
		c.selectDB(int(n))
		c.w.OK()
	}
}

// validName says whether s may be a client's name: printable ASCII without spaces, or empty.
func validName(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}

package server

import (
	"strings"
	"time"

	"replogd/engine/resp"
)

// clientCommands are CLIENT and its subcommands.
var clientCommands = map[string]handler{
	"client|id":       func(c *conn, _ [][]byte) { c.w.Int(c.id) },
	"client|getname":  cmdClientGetName,
	"client|setname":  cmdClientSetName,
	"client|setinfo":  cmdClientSetInfo,
	"client|list":     cmdClientList,
	"client|info":     func(c *conn, _ [][]byte) { c.w.Verbatim("txt", c.info(time.Now())+"\n") },
	"client|kill":     cmdClientKill,
	"client|no-evict": cmdClientNoEvict,
	"client|reply":    cmdClientReply,
	"client|pause":    cmdClientPause,
	"client|unpause":  cmdClientUnpause,
	"client|unblock":  cmdClientUnblock,
	"client|help":     help("CLIENT", clientHelp),
}

var clientHelp = []string{
	"GETNAME", "    Return the name of the current connection.",
	"ID", "    Return the ID of the current connection.",
	"INFO", "    Return information about the current client connection.",
	"KILL <ip:port>", "    Kill connection made from <ip:port>.",
	"KILL <option> <value> [<option> <value> [...]]", "    Kill connections. Options are:",
	"    * ADDR (<ip:port>|<unixsocket>:0)", "      Kill connections made from the specified address",
	"    * ID <client-id>", "      Kill the connection with that ID",
	"    * LADDR (<ip:port>|<unixsocket>:0)", "      Kill connections made to specified local address",
	"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)", "      Kill connections by type.",
	"    * USER <username>", "      Kill connections authenticated by <username>.",
	"    * SKIPME (YES|NO)", "      Skip killing current connection (default: yes).",
	"LIST [options ...]", "    Return information about client connections. Options:",
	"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)", "      Return clients of specified type.",
	"    * ID <client-id> [<client-id> ...]", "      Return the clients with those IDs.",
	"NO-EVICT (ON|OFF)", "    Protect current client connection from eviction.",
	"PAUSE <timeout> [WRITE|ALL]", "    Suspend all, or just write, clients for <timeout> milliseconds.",
	"REPLY (ON|OFF|SKIP)", "    Control the replies sent to the current connection.",
	"SETINFO (LIB-NAME|LIB-VER) <value>", "    Name the client library of the current connection.",
	"SETNAME <name>", "    Assign the name <name> to the current connection.",
	"UNBLOCK <clientid> [TIMEOUT|ERROR]", "    Unblock the specified blocked client.",
	"UNPAUSE", "    Stop the current client pause, resuming traffic.",
}

// help answers <COMMAND> HELP as Redis lays it out.
func help(name string, lines []string) handler {
	return func(c *conn, _ [][]byte) {
		c.w.Array(len(lines) + 3)
		c.w.Simple(name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
		for _, line := range lines {
			c.w.Simple(line)
		}
		c.w.Simple("HELP")
		c.w.Simple("    Prints this help.")
	}
}

func cmdClientGetName(c *conn, _ [][]byte) {
	if name := c.getName(); name != "" {
		c.w.BulkString(name)
		return
	}
	c.w.Null()
}

func cmdClientSetName(c *conn, args [][]byte) {
	name := string(args[2])
	if !validName(name) {
		c.w.Error(errClientName)
		return
	}
	c.setName(name)
	c.w.OK()
}

// cmdClientSetInfo is CLIENT SETINFO of Redis 7.2, which client libraries send unasked.
func cmdClientSetInfo(c *conn, args [][]byte) {
	attr, value := string(args[2]), string(args[3])
	target := &c.libName
	switch {
	case strings.EqualFold(attr, "lib-name"):
	case strings.EqualFold(attr, "lib-ver"):
		target = &c.libVer
	default:
		c.w.Error("ERR Unrecognized option '" + attr + "'")
		return
	}
	if !validName(value) {
		c.w.Error("ERR " + attr + " cannot contain spaces, newlines or special characters.")
		return
	}
	target.Store(&value)
	c.w.OK()
}

func cmdClientList(c *conn, args [][]byte) {
	kind, ids := "", map[int64]bool(nil)
	switch {
	case len(args) == 2:
	case len(args) == 4 && strings.EqualFold(string(args[2]), "type"):
		kind = clientTypes[strings.ToLower(string(args[3]))]
		if kind == "" {
			c.w.Error("ERR Unknown client type '" + shown(args[3], len(args[3])) + "'")
			return
		}
	case len(args) > 3 && strings.EqualFold(string(args[2]), "id"):
		ids = make(map[int64]bool, len(args)-3)
		for _, a := range args[3:] {
			id, ok := resp.ParseInt(a)
			if !ok {
				c.w.Error("ERR Invalid client ID")
				return
			}
			ids[id] = true
		}
	default:
		c.w.Error(errSyntax)
		return
	}
	now := time.Now()
	var b strings.Builder
	c.srv.clients.each(func(other *conn) {
		if (kind == "" || other.kind() == kind) && (ids == nil || ids[other.id]) {
			b.WriteString(other.info(now))
			b.WriteByte('\n')
		}
	})
	c.w.Verbatim("txt", b.String())
}

// killFilter is what CLIENT KILL was given; zero fields match everything.
type killFilter struct {
	id          int64
	addr, laddr string
	kind        string
	skipMe      bool
}

func (f *killFilter) matches(c, me *conn) bool {
	return (f.id == 0 || c.id == f.id) && (f.addr == "" || c.addr == f.addr) && (f.laddr == "" || c.laddr == f.laddr) &&
		(f.kind == "" || c.kind() == f.kind) && (c != me || !f.skipMe)
}

// isMasterLink: TYPE master and nothing that tells links apart. The link is no connection of this server, but can be broken like one.
func (f *killFilter) isMasterLink() bool {
	return f.kind == "master" && f.id == 0 && f.addr == "" && f.laddr == ""
}

// parseKillFilter reads the option/value pairs of the new form.
func parseKillFilter(args [][]byte) (f killFilter, refusal string) {
	f.skipMe = true
	if len(args)%2 != 0 {
		return f, errSyntax
	}
	for ; len(args) > 0; args = args[2:] {
		value := string(args[1])
		switch strings.ToLower(string(args[0])) {
		case "id":
			id, ok := resp.ParseInt(args[1])
			if !ok || id < 1 {
				return f, "ERR client-id should be greater than 0"
			}
			f.id = id
		case "type":
			if f.kind = clientTypes[strings.ToLower(value)]; f.kind == "" {
				return f, "ERR Unknown client type '" + shown(args[1], len(args[1])) + "'"
			}
		case "addr":
			f.addr = value
		case "laddr":
			f.laddr = value
		case "user":
			if value != defaultUser {
				return f, "ERR No such user '" + shown(args[1], len(args[1])) + "'"
			}
		case "skipme":
			switch strings.ToLower(value) {
			case "yes":
				f.skipMe = true
			case "no":
				f.skipMe = false
			default:
				return f, errSyntax
			}
		default:
			return f, errSyntax
		}
	}
	return f, ""
}

// cmdClientKill closes other connections at once; its own after the reply.
func cmdClientKill(c *conn, args [][]byte) {
	oldForm := len(args) == 3
	f := killFilter{addr: string(args[2])}
	if !oldForm {
		var refusal string
		if f, refusal = parseKillFilter(args[2:]); refusal != "" {
			c.w.Error(refusal)
			return
		}
	}
	killed := int64(0)
	if f.isMasterLink() {
		if p := c.parts(); p != nil && p.node.BreakLink() {
			killed++
		}
	}
	c.srv.clients.each(func(other *conn) {
		if !f.matches(other, c) || (oldForm && other.addr != f.addr) {
			return
		}
		killed++
		if other == c {
			c.closeAfterReply()
		} else {
			other.kill()
		}
	})
	switch {
	case !oldForm:
		c.w.Int(killed)
	case killed == 0:
		c.w.Error("ERR No such client")
	default:
		c.w.OK()
	}
}

func cmdClientNoEvict(c *conn, args [][]byte) {
	switch strings.ToLower(string(args[2])) {
	case "on":
		c.setFlag(flagNoEvict, true)
	case "off":
		c.setFlag(flagNoEvict, false)
	default:
		c.w.Error(errSyntax)
		return
	}
	c.w.OK()
}

func cmdClientReply(c *conn, args [][]byte) {
	switch strings.ToLower(string(args[2])) {
	case "on":
		c.replyOff, c.replySkip = false, false
		c.w.OK()
	case "off":
		c.replyOff = true
	case "skip":
		c.replySkipNext = !c.replyOff
	default:
		c.w.Error(errSyntax)
	}
}

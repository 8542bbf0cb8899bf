package replica

import (
	"bufio"
	"net"
	"strconv"
	"strings"

	"replogd/engine/resp"
)

// Peer is a client connection that turns into a replica: the options it sent with REPLCONF so far. It belongs to the
// connection's goroutine.
type Peer struct {
	Conn          net.Conn
	Reader        *bufio.Reader // holds what was read beyond the PSYNC command
	ClientID      int64
	ListeningPort int
	IPAddress     string // REPLCONF ip-address, "" = the connection's

	CapaEOF, CapaPSYNC2, CapaReplogd bool

	Version, NodeID string // of Valkey and replogd; NodeID is 40 hex digits or ""
	RDBOnly         bool
	Snapshot        string // REPLCONF snapshot: the checkpoint of which it already has a part

	toldID string // our replid when it asked for our lineage; "": it did not
}

var replyOK = []byte("+OK\r\n")

func errorReply(text string) []byte { return append(append([]byte("-"), text...), '\r', '\n') }

// Replconf serves one REPLCONF (args without the name) of a connection that is not a replica yet; it returns the reply's raw
// bytes, none for ACK and GETACK. Texts are those of Redis 7.0.15; options before a bad one stay set, as there.
func (n *Node) Replconf(p *Peer, args [][]byte) (reply []byte) {
	if len(args)%2 != 0 {
		return errorReply("ERR syntax error")
	}
	for i := 0; i < len(args); i += 2 {
		option, value := strings.ToLower(string(args[i])), string(args[i+1])
		switch option {
		case "ack", "getack":
			return nil // only a replica may say it; Redis ignores it too
		case "lineage":
			return n.lineageReply(p, value)
		}
		if text := p.set(option, value, string(args[i])); text != "" {
			return errorReply(text)
		}
	}
	return replyOK
}

// set stores one option and returns the error's text, if any.
func (p *Peer) set(option, value, asWritten string) string {
	switch option {
	case "listening-port":
		port, err := strconv.Atoi(value)
		if err != nil {
			return "ERR value is not an integer or out of range"
		}
		if port < 0 || port > 65535 {
			return "ERR value is out of range, value must between 0 and 65535"
		}
		p.ListeningPort = port
	case "ip-address":
		if len(value) > maxPeerWord {
			return "ERR REPLCONF ip-address provided by replica instance is too long: " + strconv.Itoa(len(value)) + " bytes"
		}
		p.IPAddress = strings.ReplaceAll(printable(value), ",", "_") // INFO separates fields by commas
	case "capa":
		p.setCapa(value)
	case "version":
		p.Version = printable(value[:min(len(value), maxPeerWord)])
	case "rdb-only":
		v, err := strconv.Atoi(value)
		if err != nil {
			return "ERR value is not an integer or out of range"
		}
		if v != 0 && v != 1 {
			return "ERR value is out of range, value must between 0 and 1"
		}
		p.RDBOnly = v == 1
	case "rdb-filter-only":
		// Means something to a full sync by RDB only.
	case "node-id":
		if !validHexID(value) {
			return "ERR REPLCONF node-id is not 40 lower-case hex digits"
		}
		p.NodeID = value
	case "snapshot":
		if !validSnapshotID(value) {
			return "ERR REPLCONF snapshot is not a checkpoint id"
		}
		p.Snapshot = value
	default:
		return "ERR Unrecognized REPLCONF option: " + printable(clip(asWritten))
	}
	return ""
}

// setCapa: unknown capabilities are ignored, as in Redis.
func (p *Peer) setCapa(value string) {
	switch strings.ToLower(value) {
	case "eof":
		p.CapaEOF = true
	case "psync2":
		p.CapaPSYNC2 = true
	case "replogd":
		p.CapaReplogd = true
	}
}

// printable keeps a peer's words from breaking reply lines, INFO and logs.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, s)
}

// lineageReply tells a replogd replica our histories and whom we follow.
func (n *Node) lineageReply(p *Peer, version string) []byte {
	if version != strconv.Itoa(nativeVersion) {
		return errorReply("ERR REPLCONF lineage " + printable(clip(version)) + " is not spoken here")
	}
	l := lineage{path: []string{n.o.Backlog.NodeID()}, histories: n.o.Backlog.Histories()}
	p.toldID = l.histories[len(l.histories)-1].ID
	if up := n.link(); up != nil {
		l.path = append(l.path, up.pathAbove()...)
	}
	if len(l.path) > maxLineagePath {
		l.path = l.path[:maxLineagePath]
	}
	w := resp.Writer{}
	w.Bulk(appendLineage(nil, l))
	return w.Bytes()
}

package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"replogd/config"
	"replogd/engine/resp"
	"replogd/replica"
)

// replicationCommands concern masters and replicas.
var replicationCommands = map[string]handler{
	"role": cmdRole, "replicaof": cmdReplicaOf, "slaveof": cmdReplicaOf, "replconf": cmdReplconf, "psync": cmdPsync, "sync": cmdSync,
	"wait": cmdWait,
}

// stateOnline is the state of a replica that is being fed from the log.
const stateOnline = "online"

// roleChangeTimeout bounds the stop of a link or the application of what the log holds when the role changes.
const roleChangeTimeout = time.Minute

func cmdRole(c *conn, _ [][]byte) {
	p := c.parts()
	if p == nil {
		roleWhileLoading(c)
		return
	}
	st := p.node.Status()
	if st.Master {
		online := make([]replica.FeedStatus, 0, len(st.Feeds))
		for _, f := range st.Feeds {
			if f.State == stateOnline {
				online = append(online, f)
			}
		}
		c.w.Array(3)
		c.w.BulkString("master")
		c.w.Int(signed(p.backlog.End()))
		c.w.Array(len(online))
		for _, f := range online {
			c.w.Array(3)
			c.w.BulkString(f.IP)
			c.w.BulkString(strconv.Itoa(f.Port))
			c.w.BulkString(strconv.FormatUint(f.Ack, 10))
		}
		return
	}
	offset := int64(-1)
	if st.LinkUp {
		offset = signed(st.AppliedOffset)
	}
	writeReplicaRole(c, st.MasterHost, st.MasterPort, st.LinkState, offset)
}

// roleWhileLoading answers from the configuration: the node does not exist yet.
func roleWhileLoading(c *conn) {
	if m := c.srv.cfg.Current().ReplicaOf; m != nil {
		writeReplicaRole(c, m.Host, m.Port, "connect", -1)
		return
	}
	c.w.Array(3)
	c.w.BulkString("master")
	c.w.Int(0)
	c.w.Array(0)
}

func writeReplicaRole(c *conn, host string, port int, state string, offset int64) {
	c.w.Array(5)
	c.w.BulkString("slave")
	c.w.BulkString(host)
	c.w.Int(int64(port))
	c.w.BulkString(state)
	c.w.Int(offset)
}

// cmdReplicaOf changes the role. The new role lasts until a restart unless CONFIG REWRITE follows.
func cmdReplicaOf(c *conn, args [][]byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), roleChangeTimeout) // half a change of role is no one's wish
	defer cancel()
	var already bool
	var err error
	var master *config.Addr
	if strings.EqualFold(string(args[1]), "no") && strings.EqualFold(string(args[2]), "one") {
		already, err = c.parts().node.Promote(ctx)
	} else {
		port, ok := resp.ParseInt(args[2])
		if !ok || port < 0 || port > math.MaxUint16 {
			c.w.Error("ERR Invalid master port")
			return
		}
		master = &config.Addr{Host: string(args[1]), Port: int(port)}
		already, err = c.parts().node.ReplicaOf(ctx, master.Host, master.Port)
	}
	if err != nil {
		c.srv.log.Error("change role", "client", c.addr, "command", string(bytes.Join(args, []byte(" "))), "err", err)
		c.w.Error(errorText("ERR ", err))
		return
	}
	switch {
	case already && master != nil:
		c.w.Simple("OK Already connected to specified master")
	case already:
		c.w.OK()
	default:
		to := "none"
		if master != nil {
			to = net.JoinHostPort(master.Host, strconv.Itoa(master.Port))
		}
		c.srv.log.Info("role changed by command", "client", c.addr, "master", to)
		c.srv.cfg.SetReplicaOf(master)
		if master != nil {
			c.srv.clients.each(func(other *conn) { other.unblock(errRoleChanged) })
		}
		c.w.OK()
	}
}

// replicaPeer is what this connection has told with REPLCONF so far.
func (c *conn) replicaPeer() *replica.Peer {
	if c.peer == nil {
		c.peer = &replica.Peer{Conn: c.nc, ClientID: c.id}
	}
	return c.peer
}

func cmdReplconf(c *conn, args [][]byte) {
	p := c.parts()
	if p == nil {
		c.w.Error(errLoading)
		return
	}
	c.w.Raw(p.node.Replconf(c.replicaPeer(), args[1:]))
}

func cmdPsync(c *conn, args [][]byte) {
	offset, ok := resp.ParseInt(args[2])
	if !ok {
		c.w.Error(errNotInteger)
		return
	}
	if len(args) > 3 && strings.EqualFold(string(args[3]), "failover") && !c.takeOver(string(args[1])) {
		return
	}
	c.serveReplica(string(args[1]), offset, false)
}

func cmdSync(c *conn, _ [][]byte) { c.serveReplica("", -1, true) }

// serveReplica hands the connection to the node until the link ends, then closes it. The client stays in CLIENT LIST, so that CLIENT
// KILL ends the link.
func (c *conn) serveReplica(id string, offset int64, sync bool) {
	if !c.flush() {
		c.closing = true
		return
	}
	c.leaveHub()
	c.endOutbox()
	peer := c.replicaPeer()
	peer.Conn = c.nc
	peer.Reader = bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(c.buf[c.r:c.e])), c.nc))
	c.r, c.e, c.buf = 0, 0, nil
	c.parser.Reset()
	c.setFlag(flagReplica, true)
	_ = c.nc.SetWriteDeadline(time.Time{}) // from here on the node sets its own
	err := c.parts().node.ServePSYNC(c.ctx, peer, id, offset, sync)
	c.closing = true
	if err != nil && c.ctx.Err() == nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		c.srv.log.Info("replica link ended", "client", c.addr, "id", c.id, "err", err)
	}
}

const (
	errWaitOnReplica = "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured " +
		"to be writable (which is not the default) writes to replicas are just local and are not propagated."
	errUnblockedByRole = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
)

// cmdWait blocks until enough replicas have acknowledged this client's last write.
func cmdWait(c *conn, args [][]byte) {
	p := c.parts()
	if isReplica(p, c.srv.cfg.Current()) {
		c.w.Error(errWaitOnReplica)
		return
	}
	replicas, ok := resp.ParseInt(args[1])
	if !ok {
		c.w.Error(errNotInteger)
		return
	}
	ms, ok := resp.ParseInt(args[2])
	switch {
	case !ok:
		c.w.Error("ERR timeout is not an integer or out of range")
		return
	case ms < 0:
		c.w.Error("ERR timeout is negative")
		return
	case ms > math.MaxInt64/int64(time.Millisecond):
		c.w.Error("ERR timeout is out of range")
		return
	}
	if c.tx.running {
		c.w.Int(int64(p.node.Wait(c.ctx, c.session.LastWrite, 0))) // those that have acknowledged by now
		return
	}
	acked := 0
	want := int(min(max(replicas, 0), math.MaxInt32))
	gone, reason := c.block(time.Duration(ms)*time.Millisecond, true, func(ctx context.Context) {
		acked = p.node.Wait(ctx, c.session.LastWrite, want)
	})
	switch {
	case gone:
	case errors.Is(reason, errUnblockedAsError):
		c.w.Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
	case errors.Is(reason, errRoleChanged) || isReplica(p, c.srv.cfg.Current()): // the node may have ended the wait first
		c.w.Error(errUnblockedByRole)
		c.closeAfterReply()
	default:
		c.w.Int(int64(acked))
	}
}

package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/engine/keys"
	"replogd/engine/resp"
	"replogd/engine/resp/oracle"
)

// The differential tests run the same command lines on a redis-server and on an engine, and compare what both answer, byte by
// byte, and what both put into their replication streams. What may differ is written down here: the milliseconds between the two
// (clockSlack), the order of KEYS and SCAN, which key RANDOMKEY picks, and when a key whose time is up is removed (zombies).

// clockSlack is by how much times may differ that the two servers computed from their clocks.
const clockSlack = 5000

// testCase is what both *testing.T and *rapid.T are.
type testCase interface {
	Helper()
	Errorf(format string, args ...any)
	FailNow()
	Logf(format string, args ...any)
}

// streamEffect is one command of a replication stream, with the database it is for.
type streamEffect struct {
	db   int
	args []string
}

func (e streamEffect) String() string { return fmt.Sprintf("[%d] %q", e.db, e.args) }

// streamUnit is what a replica applies together.
type streamUnit []streamEffect

// streamView cuts a replication stream into units.
type streamView struct {
	scanner *resp.UnitScanner
	db      int
}

func newStreamView() *streamView { return &streamView{scanner: resp.NewUnitScanner(1 << 30)} }

// units returns the units that p completes. SELECT is resolved, keep-alives are dropped.
func (v *streamView) units(t testCase, p []byte) (all []streamUnit) {
	t.Helper()
	v.scanner.Feed(p)
	for {
		u, ok, err := v.scanner.Next()
		require.NoError(t, err)
		if !ok {
			return all
		}
		var one streamUnit
		for _, args := range u.Commands {
			switch strings.ToLower(string(args[0])) {
			case "select":
				v.db, err = strconv.Atoi(string(args[1]))
				require.NoError(t, err)
			case "ping":
			default:
				e := streamEffect{db: v.db}
				for _, a := range args {
					e.args = append(e.args, string(a))
				}
				one = append(one, e)
			}
		}
		if len(one) > 0 {
			all = append(all, one)
		}
	}
}

// stock is a redis-server with a replica attached that keeps what it is sent.
type stock struct {
	client, replica *oracle.Client
	view            *streamView
	markers         int
}

func startStock(t *testing.T) *stock {
	server := oracle.Start(t, "--repl-diskless-sync-delay", "0", "--enable-debug-command", "yes")
	s := &stock{client: server.Dial(t), replica: server.Dial(t), view: newStreamView()}
	require.Equal(t, "OK", string(s.client.Do("DEBUG", "SET-ACTIVE-EXPIRE", "0").Str))
	s.replica.Send(resp.AppendCommandStrings(nil, "PSYNC", "?", "-1"))
	require.Contains(t, string(readLine(s.replica)), "+FULLRESYNC")
	line := readLine(s.replica)
	for len(bytes.TrimSpace(line)) == 0 { // keep-alives while the snapshot is made
		line = readLine(s.replica)
	}
	size, err := strconv.Atoi(string(bytes.TrimSpace(line[1:])))
	require.NoError(t, err, "snapshot header %q", line)
	s.replica.Read(size)
	return s
}

// run returns the raw reply to one command.
func (s *stock) run(args [][]byte) []byte {
	s.client.Send(resp.AppendCommand(nil, args...))
	return readRaw(s.client, nil)
}

var ping = resp.AppendCommandStrings(nil, "ping")

// stream returns what was propagated since the last call, keep-alives aside. A message that is published marks its end.
func (s *stock) stream(t testCase) []byte {
	t.Helper()
	s.markers++
	marker := strconv.Itoa(s.markers)
	s.run([][]byte{[]byte("PUBLISH"), []byte("marker"), []byte(marker)})
	end := resp.AppendCommandStrings(nil, "PUBLISH", "marker", marker)
	var all []byte
	for {
		from := len(all)
		all = readRaw(s.replica, all)
		switch got := all[from:]; {
		case bytes.Equal(got, end):
			return all[:from]
		case bytes.EqualFold(got, ping):
			all = all[:from]
		}
	}
}

func readLine(c *oracle.Client) []byte {
	var line []byte
	for !bytes.HasSuffix(line, []byte("\n")) {
		b := c.Read(1)
		if len(b) == 0 {
			return append(line, "<closed>\n"...)
		}
		line = append(line, b...)
	}
	return line
}

// readRaw appends one whole reply of either protocol to dst.
func readRaw(c *oracle.Client, dst []byte) []byte {
	line := readLine(c)
	dst = append(dst, line...)
	n, _ := strconv.Atoi(string(bytes.TrimSpace(line[1:])))
	switch line[0] {
	case '$', '=':
		if n >= 0 {
			dst = append(dst, c.Read(n+2)...)
		}
	case '%':
		n *= 2
		fallthrough
	case '*', '~', '>':
		for range n {
			dst = readRaw(c, dst)
		}
	}
	return dst
}

// pair is a redis-server, an engine that leads, and an engine that follows it.
type pair struct {
	stock    *stock
	leader   *testNode
	follower *testNode
	view     *streamView
	read     uint64 // the leader's stream has been compared up to here
	zombies  struct{ stock, ours zombies }
	proto    int
	writer   resp.Writer
}

func newPair(t *testing.T, opts ...nodeOption) *pair {
	p := &pair{
		stock: startStock(t), leader: newNode(t, opts...).lead(), follower: newNode(t, opts...).follow(), view: newStreamView(), proto: 2,
	}
	p.zombies.stock, p.zombies.ours = zombies{}, zombies{}
	t.Cleanup(func() {
		p.leader.close()
		p.follower.close()
	})
	return p
}

// reset empties both sides and selects a protocol.
func (p *pair) reset(t testCase, proto int) {
	t.Helper()
	p.proto = proto
	p.stock.run(parseLine(t, fmt.Sprintf("HELLO %d", proto)))
	for _, line := range []string{"SELECT 0", "FLUSHALL"} {
		p.compare(t, line, parseLine(t, line))
	}
}

// parseLine splits a command line as a server splits an inline command: quotes and \x escapes work.
func parseLine(t testCase, line string) [][]byte {
	t.Helper()
	var parser resp.Parser
	args, _, err := parser.Next([]byte(line+"\r\n"), resp.Limits{})
	require.NoError(t, err, "line %q", line)
	require.NotEmpty(t, args, "line %q", line)
	own := make([][]byte, len(args))
	for i, a := range args {
		own[i] = bytes.Clone(a)
	}
	return own
}

// ours runs one command on the engine as a server's dispatch would.
func (p *pair) ours(t testCase, args [][]byte) []byte {
	t.Helper()
	w := &p.writer
	w.Reset()
	w.Proto = p.proto
	cmd := Lookup(args[0])
	if cmd == nil && len(args) > 1 {
		cmd = Lookup(bytes.Join(args[:2], []byte{'|'}))
	}
	switch {
	case strings.EqualFold(string(args[0]), "SELECT"):
		db, err := strconv.Atoi(string(args[1]))
		require.NoError(t, err)
		p.leader.client.DB = db
		w.OK()
	case !cmd.Spec.ArityOK(len(args)):
		w.Error("ERR wrong number of arguments for '" + cmd.Name() + "' command")
	default:
		p.leader.e.Exec(context.Background(), &p.leader.client, []Request{{Cmd: cmd, Args: args}}, w)
		require.NoError(t, p.leader.b.WaitSafe(context.Background(), p.leader.client.Need))
	}
	return bytes.Clone(w.Bytes())
}

// compare runs one command on both sides and requires the same reply.
func (p *pair) compare(t testCase, line string, args [][]byte) {
	t.Helper()
	want, got := p.stock.run(args), p.ours(t, args)
	if bytes.Equal(want, got) {
		return
	}
	name := strings.ToLower(string(args[0]))
	switch {
	case len(want) == 0 || len(got) == 0 || want[0] != got[0] || want[0] == '-':
	case name == "ttl" || name == "pttl" || name == "expiretime" || name == "pexpiretime":
		if closeNumbers(string(want[1:len(want)-2]), string(got[1:len(got)-2])) {
			return
		}
	case name == "randomkey":
		if bytes.HasPrefix(want, []byte("$-1")) == bytes.HasPrefix(got, []byte("$-1")) {
			return
		}
	case name == "xpending" || name == "xinfo" || name == "xreadgroup":
		if closeLines(string(want), string(got)) {
			return
		}
	case unorderedReplies[name]:
		// As bags of lines: the elements in any order, and all that surrounds them.
		if slices.Equal(sortedLines(want), sortedLines(got)) {
			return
		}
	}
	require.Equal(t, string(want), string(got), "reply to %s (protocol %d)", line, p.proto)
}

// unorderedReplies are the commands whose elements come in the order of a hash table, each server's own.
var unorderedReplies = map[string]bool{
	"keys": true, "scan": true, "hgetall": true, "hkeys": true, "hvals": true, "hscan": true, "smembers": true, "sscan": true,
	"sinter": true, "sunion": true, "sdiff": true, "zscan": true, "spop": true, "hrandfield": true, "srandmember": true, "zrandmember": true,
}

// closeLines compares replies about streams: what depends on the clock or on Redis' inner structures may differ.
func closeLines(want, got string) bool {
	a, b := strings.Split(want, "\r\n"), strings.Split(got, "\r\n")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		number := strings.HasPrefix(a[i], ":") && strings.HasPrefix(b[i], ":")
		switch {
		case a[i] == b[i]:
		case number && closeNumbers(a[i][1:], b[i][1:]):
		case number && (a[i-1] == "idle" || a[i-1] == "radix-tree-keys" || a[i-1] == "radix-tree-nodes"):
		case number && i+1 < len(a) && strings.HasPrefix(a[i+1], ":"): // XPENDING: idle, then the count
		default:
			return false
		}
	}
	return true
}

func sortedLines(reply []byte) []string {
	lines := strings.Split(string(reply), "\r\n")
	slices.Sort(lines)
	return lines
}

// closeNumbers reports whether two integers are the same but for clockSlack.
func closeNumbers(a, b string) bool {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	return errX == nil && errY == nil && max(x, y)-min(x, y) <= clockSlack && x > clockSlack
}

// zombies follows a stream to know which keys were given a time that is up. Redis removes such a key when it meets it, the engine
// then or a little later; either way as DEL.
type zombies map[string]bool

func zombieName(db int, key string) string { return fmt.Sprint(db, " ", key) }

// looseClaims in zombies has filter pass over XCLAIM: Redis does not tell replicas of entries that a consumer reads again.
const looseClaims = "loose claims"

// filter returns the effects of units one after the other, without the removals of zombies.
func (z zombies) filter(units []streamUnit) (kept []streamEffect) {
	for _, u := range units {
		for _, e := range u {
			switch verb := strings.ToUpper(e.args[0]); {
			case verb == "XCLAIM" && z[looseClaims]:
				continue
			case verb == "XGROUP" && strings.EqualFold(e.args[1], "CREATECONSUMER"):
				continue // Redis does not tell its replicas of every consumer that it makes on the way
			case verb == "DEL" && len(e.args) == 2 && z[zombieName(e.db, e.args[1])]:
				delete(z, zombieName(e.db, e.args[1]))
				continue
			case verb == "SET":
				if len(e.args) == 5 && e.args[3] == "PXAT" {
					ms, _ := strconv.ParseInt(e.args[4], 10, 64)
					z[zombieName(e.db, e.args[1])] = ms < time.Now().UnixMilli()
				}
			case verb == "FLUSHALL":
				loose := z[looseClaims]
				clear(z)
				z[looseClaims] = loose
			case verb == "FLUSHDB":
				z.renumber(func(db int) int {
					if db == e.db {
						return -1
					}
					return db
				})
			case verb == "SWAPDB":
				a, _ := strconv.Atoi(e.args[1])
				b, _ := strconv.Atoi(e.args[2])
				z.renumber(func(db int) int {
					switch db {
					case a:
						return b
					case b:
						return a
					}
					return db
				})
			}
			kept = append(kept, e)
		}
	}
	return kept
}

// renumber moves all zombies to another database; a negative number drops them.
func (z zombies) renumber(to func(db int) int) {
	old := make([]string, 0, len(z))
	for name := range z {
		old = append(old, name)
	}
	clear(z)
	for _, name := range old {
		number, key, _ := strings.Cut(name, " ")
		db, _ := strconv.Atoi(number)
		if db = to(db); db >= 0 {
			z[zombieName(db, key)] = true
		}
	}
}

// compareStreams requires that both sides propagated the same since the last call, and brings the follower up to date.
func (p *pair) compareStreams(t testCase, program string) {
	t.Helper()
	want := p.zombies.stock.filter(p.stock.view.units(t, p.stock.stream(t)))
	raw := p.leader.stream(p.read)
	p.read += uint64(len(raw))
	got := p.zombies.ours.filter(p.view.units(t, raw))
	if len(raw) > 0 {
		p.follower.receive(raw)
	}
	require.Equal(t, len(want), len(got), "number of effects of\n%s\nredis: %v\nours:  %v", program, want, got)
	for i := range want {
		if !sameEffect(want[i], got[i]) {
			t.Logf("effect %d of\n%s\nredis: %v\nours:  %v", i, program, want[i], got[i]) // rapid may not be able to repeat it
		}
		require.True(t, sameEffect(want[i], got[i]), "effect %d of\n%s\nredis: %v\nours:  %v", i, program, want[i], got[i])
	}
}

func sameEffect(a, b streamEffect) bool {
	return a.db == b.db && slices.EqualFunc(a.args, b.args, func(x, y string) bool { return x == y || closeNumbers(x, y) })
}

// compareKeyspaces requires that the follower holds the rows that the leader holds, expired keys included.
func (p *pair) compareKeyspaces(t testCase, program string) {
	t.Helper()
	for {
		before := p.leader.b.End()
		want := p.leader.rows(t)
		if raw := p.leader.stream(p.read); len(raw) > 0 {
			// Removals by the expirer after the streams were compared.
			p.read += uint64(len(raw))
			require.Empty(t, p.zombies.ours.filter(p.view.units(t, raw)), "effects after\n%s", program)
			p.follower.receive(raw)
		}
		if p.leader.b.End() != before {
			continue // a key's time was up just now
		}
		require.Equal(t, want, p.follower.rows(t), "rows after replay of\n%s", program)
		return
	}
}

// rows shows every row of the databases, and their counts.
func (n *testNode) rows(t testCase) (all []string) {
	t.Helper()
	ds := n.e.acquire()
	defer ds.release()
	v := ds.view()
	defer v.close()
	for db, id := range v.dbIDs {
		all = append(all, fmt.Sprintf("database %d: number %d, %d keys, %d expire", db, id, ds.counts[db].Load(), ds.expiry[db].Load()))
		for _, tag := range []byte{keys.TagKey, keys.TagExpiry} {
			lower, upper := keys.DBBounds(tag, id, id)
			it, err := v.iter(lower, upper)
			require.NoError(t, err)
			for ok := it.first(); ok; ok = it.next() {
				value, err := it.value()
				require.NoError(t, err)
				all = append(all, fmt.Sprintf("%x: %q", it.key(), value))
				if tag != keys.TagKey {
					continue
				}
				h, err := keys.ParseHead(value)
				require.NoError(t, err)
				for _, table := range keys.TagsOf(h.Type) {
					require.NoError(t, v.eachRow(table, h.UID, func(row, value []byte) error {
						if table == keys.TagGroup && row[9] == 'C' {
							value = value[8:] // when a consumer was last seen is the node's own
						}
						all = append(all, fmt.Sprintf("  %x: %q", row, value))
						return nil
					}))
				}
			}
			require.NoError(t, it.close())
		}
	}
	return all
}

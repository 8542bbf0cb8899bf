package resp_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/resp"
)

// unitText is a unit without aliases.
type unitText struct {
	Raw      string
	Commands []string
	Noop     bool
	GetAck   bool
}

// scanAll feeds input in portions of the sizes in cuts, round and round, and
// checks that no byte is lost on the way.
func scanAll(t require.TestingT, input, cuts []byte, maxUnit int) (units []unitText, errText string) {
	u, cutter := resp.NewUnitScanner(maxUnit), resp.NewUnitCutter(maxUnit)
	fed, returned := 0, 0
	for i := 0; ; i++ {
		for {
			unit, ok, err := u.Next()
			cut, cutOK, cutErr := cutter.Next()
			require.Equal(t, ok, cutOK)
			require.Equal(t, err, cutErr)
			require.Equal(t, resp.Unit{Raw: unit.Raw, Noop: unit.Noop, GetAck: unit.GetAck}, cut, "a cutter cuts alike")
			if err != nil {
				_, _, again := u.Next()
				require.Equal(t, err, again, "an error stays")
				return units, err.Error()
			}
			if !ok {
				break
			}
			require.LessOrEqual(t, len(unit.Raw), maxUnit)
			require.Equal(t, string(input[returned:returned+len(unit.Raw)]), string(unit.Raw))
			returned += len(unit.Raw)
			text := unitText{Raw: string(unit.Raw), Noop: unit.Noop, GetAck: unit.GetAck}
			for _, c := range unit.Commands {
				text.Commands = append(text.Commands, string(bytes.Join(c, []byte(" "))))
			}
			units = append(units, text)
			require.Equal(t, fed, returned+u.Buffered())
		}
		require.Equal(t, fed, returned+u.Buffered())
		if fed == len(input) {
			return units, ""
		}
		n := len(input) - fed
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		u.Feed(input[fed : fed+n])
		cutter.Feed(input[fed : fed+n])
		fed += n
	}
}

// stream encodes commands given as lines of words.
func stream(lines ...string) []byte {
	var b []byte
	for _, l := range lines {
		b = resp.AppendCommandStrings(b, strings.Fields(l)...)
	}
	return b
}

func TestUnits(t *testing.T) {
	const limit = 1 << 20
	for _, tc := range []struct {
		name string
		in   []byte
		want []unitText
		err  string
	}{
		{name: "nothing"},
		{name: "commands", in: stream("SET a 1", "del b"), want: []unitText{
			{Raw: string(stream("SET a 1")), Commands: []string{"SET a 1"}},
			{Raw: string(stream("del b")), Commands: []string{"del b"}},
		}},
		{name: "SELECT belongs to what follows", in: stream("SELECT 1", "SET a 1"), want: []unitText{
			{Raw: string(stream("SELECT 1", "SET a 1")), Commands: []string{"SELECT 1", "SET a 1"}},
		}},
		{name: "several SELECT", in: stream("select 1", "SELECT 2", "SET a 1"), want: []unitText{
			{Raw: string(stream("select 1", "SELECT 2", "SET a 1")), Commands: []string{"select 1", "SELECT 2", "SET a 1"}},
		}},
		{name: "SELECT at the end waits", in: stream("SET a 1", "SELECT 1"), want: []unitText{
			{Raw: string(stream("SET a 1")), Commands: []string{"SET a 1"}},
		}},
		{name: "transaction", in: stream("MULTI", "SELECT 3", "SET a 1", "SET b 2", "EXEC", "PING"), want: []unitText{
			{
				Raw:      string(stream("MULTI", "SELECT 3", "SET a 1", "SET b 2", "EXEC")),
				Commands: []string{"SELECT 3", "SET a 1", "SET b 2"},
			},
			{Raw: string(stream("PING")), Commands: []string{"PING"}, Noop: true},
		}},
		{name: "SELECT before a transaction", in: stream("SELECT 3", "multi", "SET a 1", "exec"), want: []unitText{
			{Raw: string(stream("SELECT 3", "multi", "SET a 1", "exec")), Commands: []string{"SELECT 3", "SET a 1"}},
		}},
		{name: "empty transaction", in: stream("MULTI", "EXEC"), want: []unitText{{Raw: string(stream("MULTI", "EXEC"))}}},
		{name: "open transaction waits", in: stream("MULTI", "SET a 1")},
		{name: "keep-alives", in: stream("ping", "REPLCONF GETACK *", "replconf getack *", "PING x"), want: []unitText{
			{Raw: string(stream("ping")), Commands: []string{"ping"}, Noop: true},
			{Raw: string(stream("REPLCONF GETACK *")), Commands: []string{"REPLCONF GETACK *"}, Noop: true, GetAck: true},
			{Raw: string(stream("replconf getack *")), Commands: []string{"replconf getack *"}, Noop: true, GetAck: true},
			{Raw: string(stream("PING x")), Commands: []string{"PING x"}, Noop: true},
		}},
		{name: "SELECT and a keep-alive is no no-op", in: stream("SELECT 1", "PING", "SELECT 2", "REPLCONF GETACK *"), want: []unitText{
			{Raw: string(stream("SELECT 1", "PING")), Commands: []string{"SELECT 1", "PING"}},
			{Raw: string(stream("SELECT 2", "REPLCONF GETACK *")), Commands: []string{"SELECT 2", "REPLCONF GETACK *"}, GetAck: true},
		}},
		{name: "other REPLCONF is not a keep-alive", in: stream("REPLCONF ACK 1"), want: []unitText{
			{Raw: string(stream("REPLCONF ACK 1")), Commands: []string{"REPLCONF ACK 1"}},
		}},
		{name: "inline", in: []byte("PING\r\n"), err: "replication stream: not an array of bulk strings"},
		{name: "line feed", in: []byte("\n"), err: "replication stream: not an array of bulk strings"},
		{name: "empty command", in: []byte("*0\r\n"), err: "replication stream: command without arguments"},
		{name: "null command", in: []byte("*-1\r\n"), err: "replication stream: command without arguments"},
		{name: "LF only", in: []byte("*1\n$4\r\nPING\r\n" + strings.Repeat("x", 100)), err: "Protocol error: invalid multibulk length"},
		{name: "bad end of line", in: []byte("*1\rx"), err: "replication stream: line or bulk string not ended by CRLF"},
		{name: "bad end of bulk", in: []byte("*1\r\n$4\r\nPINGxx"), err: "replication stream: line or bulk string not ended by CRLF"},
		{name: "long length line", in: []byte("*" + strings.Repeat("1", 100)), err: "Protocol error: too big mbulk count string"},
		{name: "negative bulk", in: []byte("*1\r\n$-1\r\n"), err: "Protocol error: invalid bulk length"},
		{name: "not a bulk", in: []byte("*1\r\n:1\r\n"), err: "Protocol error: expected '$', got ':'"},
		{name: "MULTI in MULTI", in: stream("MULTI", "Multi"), err: "replication stream: MULTI inside MULTI"},
		{name: "EXEC alone", in: stream("EXEC"), err: "replication stream: EXEC without MULTI"},
		{name: "SELECT and EXEC", in: stream("SELECT 1", "EXEC"), err: "replication stream: EXEC without MULTI"},
		{name: "DISCARD", in: stream("MULTI", "DISCARD"), err: "replication stream: DISCARD cannot be replicated"},
		{name: "good units before an error", in: append(stream("SET a 1"), "\n"...), want: []unitText{
			{Raw: string(stream("SET a 1")), Commands: []string{"SET a 1"}},
		}, err: "replication stream: not an array of bulk strings"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, cuts := range [][]byte{nil, {0}, {6}, {0, 3, 1}} {
				units, errText := scanAll(t, tc.in, cuts, limit)
				require.Equal(t, tc.want, units, "cuts %v", cuts)
				require.Equal(t, tc.err, errText, "cuts %v", cuts)
			}
		})
	}
}

func TestUnitLimit(t *testing.T) {
	const tooBig = "replication stream: unit over the size limit"
	one := stream("SET key value")
	for name, tc := range map[string]struct {
		in    []byte
		limit int
		err   string
	}{
		"exact":                   {one, len(one), ""},
		"one less":                {one, len(one) - 1, tooBig},
		"SELECT counts":           {stream("SELECT 1", "SET key value"), len(one), tooBig},
		"MULTI and EXEC count":    {stream("MULTI", "SET key value", "EXEC"), len(one) + len(stream("MULTI", "EXEC")) - 1, tooBig},
		"with MULTI and EXEC":     {stream("MULTI", "SET key value", "EXEC"), len(one) + len(stream("MULTI", "EXEC")), ""},
		"SELECT without end":      {bytes.Repeat(stream("SELECT 1"), 100), 500, tooBig},
		"MULTI without end":       {append(stream("MULTI"), bytes.Repeat(one, 100)...), 500, tooBig},
		"announced bulk":          {[]byte("*1\r\n$1000\r\n"), 500, tooBig},
		"announced count":         {[]byte("*1000\r\n"), 500, tooBig},
		"many commands are units": {bytes.Repeat(one, 100), 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, errText := scanAll(t, tc.in, []byte{9}, tc.limit)
			if tc.err == tooBig && errText != tooBig {
				// A bulk over the whole limit is refused for its length.
				require.Equal(t, "Protocol error: invalid bulk length", errText)
				return
			}
			require.Equal(t, tc.err, errText)
		})
	}
}

// TestUnitsDoNotDependOnCuts draws streams of all kinds of units.
func TestUnitsDoNotDependOnCuts(t *testing.T) {
	word := rapid.SampledFrom([]string{
		"SET a 1", "PING", "SELECT 1", "select 2", "MULTI", "EXEC", "REPLCONF GETACK *", "DEL " + strings.Repeat("k ", 50),
		"SET big " + strings.Repeat("v", 300),
	})
	rapid.Check(t, func(t *rapid.T) {
		in := stream(rapid.SliceOfN(word, 0, 30).Draw(t, "commands")...)
		cuts := rapid.SliceOfN(rapid.Byte(), 1, 8).Draw(t, "cuts")
		units, errText := scanAll(t, in, nil, 1<<20)
		gotUnits, gotErr := scanAll(t, in, cuts, 1<<20)
		require.Equal(t, units, gotUnits)
		require.Equal(t, errText, gotErr)
	})
}

func FuzzUnitScanner(f *testing.F) {
	f.Add(stream("SELECT 1", "PING", "MULTI", "SET a 1", "EXEC", "REPLCONF GETACK *"), []byte{0}, uint16(300))
	f.Add([]byte("*1\r\n$-1\r\n"), []byte{1}, uint16(100))
	f.Add([]byte("*3\r\n$99999999999999999999\r\n"), []byte{2}, uint16(100))
	f.Add([]byte("*1\r\n\r0\r\n"), []byte{1}, uint16(100)) // a CR in place of the '$'
	f.Add([]byte("*0\r\n\n\n*1\rx$"), []byte{2, 0}, uint16(1))
	f.Fuzz(func(t *testing.T, input, cuts []byte, limit uint16) {
		units, errText := scanAll(t, input, nil, int(limit))
		gotUnits, gotErr := scanAll(t, input, cuts, int(limit))
		require.Equal(t, units, gotUnits)
		require.Equal(t, errText, gotErr)
		for _, u := range units {
			// A unit that is fed alone is the same unit.
			again, errText := scanAll(t, []byte(u.Raw), cuts, int(limit))
			require.Empty(t, errText)
			require.Equal(t, []unitText{u}, again)
		}
	})
}

// TestUnitScannerGivesMemoryBack: after a large unit the buffer is small again.
func TestUnitScannerGivesMemoryBack(t *testing.T) {
	u := resp.NewUnitScanner(64 << 20)
	big := resp.AppendCommand(nil, []byte("SET"), []byte("k"), make([]byte, 32<<20))
	small := stream("SET a 1")
	feed := func(p []byte) (units int) {
		for len(p) > 0 {
			n := min(len(p), 64<<10)
			u.Feed(p[:n])
			p = p[n:]
			for {
				_, ok, err := u.Next()
				require.NoError(t, err)
				if !ok {
					break
				}
				units++
			}
		}
		return units
	}
	require.Equal(t, 1, feed(append(big, small[:5]...)))
	require.Equal(t, 2, feed(append(bytes.Clone(small[5:]), small...)))
	require.LessOrEqual(t, resp.ScannerCapForTesting(u), 1<<20)
}

// TestUnitScannerIsLinear feeds a large transaction byte by byte.
func TestUnitScannerIsLinear(t *testing.T) {
	in := append(stream("MULTI"), bytes.Repeat(stream("SET k v"), 50_000)...)
	in = append(in, stream("EXEC")...)
	units, errText := 0, error(nil)
	u := resp.NewUnitScanner(1 << 30)
	for i := range in {
		u.Feed(in[i : i+1])
		unit, ok, err := u.Next()
		if ok {
			units++
			require.Len(t, unit.Commands, 50_000)
		}
		errText = err
		if errText != nil {
			break
		}
	}
	require.NoError(t, errText)
	require.Equal(t, 1, units)
}

// feed gives a scanner a batch and takes all units.
func feed(t testing.TB, u *resp.UnitScanner, batch []byte) {
	u.Feed(batch)
	for {
		_, ok, err := u.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return
		}
	}
}

func TestUnitScannerSteadyStateDoesNotAllocate(t *testing.T) {
	u := resp.NewUnitScanner(1 << 20)
	batch := append(pipeline(16), stream("MULTI", "SET a 1", "SET b 1", "EXEC")...)
	feed(t, u, batch)
	require.Zero(t, testing.AllocsPerRun(100, func() { feed(t, u, batch) }))
}

func BenchmarkUnitScanner(b *testing.B) {
	batch := pipeline(1000)
	for name, u := range map[string]*resp.UnitScanner{"scanner": resp.NewUnitScanner(1 << 20), "cutter": resp.NewUnitCutter(1 << 20)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(batch)))
			b.ReportAllocs()
			for b.Loop() {
				feed(b, u, batch)
			}
		})
	}
}

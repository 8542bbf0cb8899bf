package engine

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// TestReadersSeeOneCommit has readers look at collections that a writer replaces as wholes and changes in several places at once, while
// memtables are frozen and drained: nobody may see a part of one version and a part of another, or a moment without the key.
func TestReadersSeeOneCommit(t *testing.T) {
	const fields = 40
	n := newNode(t, smallStore).lead()
	defer n.close()
	version := func(v int) []string {
		hash, set, list, zset := "HSET tmp", "SADD tmpset", "RPUSH tmplist", "ZADD tmpzset"
		for i := range fields {
			hash += fmt.Sprintf(" f%d v%d", i, v)
			set += fmt.Sprintf(" m%d:v%d", i, v)
			list += fmt.Sprintf(" v%d", v)
			zset += fmt.Sprintf(" %d m%d", v, i)
		}
		return []string{
			hash, "RENAME tmp hash", set, "RENAME tmpset set", list, "RENAME tmplist list", zset, "RENAME tmpzset zset",
			"HSET inplace" + strings.TrimPrefix(hash, "HSET tmp"), "ZADD inplacez" + strings.TrimPrefix(zset, "ZADD tmpzset"),
		}
	}
	write := func(v int) {
		for _, line := range version(v) {
			n.do(line)
		}
	}
	write(0)
	var stop atomic.Bool
	var readers errgroup.Group
	for r := range 3 {
		readers.Go(func() error {
			var s Session
			for i := r; !stop.Load(); i++ {
				for line, count := range map[string]int{
					fmt.Sprintf("HGET hash f%d", i%fields): 1, "HMGET hash f0 f20 f39": 3, "HGETALL hash": fields, "HMGET inplace f1 f30": 2, "HVALS inplace": fields,
					"SMEMBERS set": fields, "LRANGE list 0 -1": fields, fmt.Sprintf("LINDEX list %d", i%fields): 1, "SINTER set set": fields,
					"ZRANGE zset 0 -1 WITHSCORES": fields, "ZRANGE inplacez 0 -1 WITHSCORES": fields,
				} {
					if err := oneVersion(line, n.exec(&s, line), count); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	for v := 1; v <= 300; v++ {
		write(v)
	}
	stop.Store(true)
	require.NoError(t, readers.Wait())
}

// oneVersion checks that a reply names one version, count times: as "v" and a number at the end of a line, or as a score.
func oneVersion(line, reply string, count int) error {
	all := map[string]int{}
	for _, e := range strings.Split(reply, "\r\n") {
		if i := strings.LastIndexByte(e, 'v'); i >= 0 {
			all[e[i:]]++
		} else if strings.HasPrefix(line, "ZRANGE") && e != "" && strings.IndexByte("$*m", e[0]) < 0 {
			all[e]++
		}
	}
	for _, times := range all {
		if len(all) == 1 && times == count {
			return nil
		}
	}
	return fmt.Errorf("%s shows versions %v: %q", line, all, reply)
}

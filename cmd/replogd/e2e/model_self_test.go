package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// TestModelSeesLoss: the judge of the chain test is worth something only if it notices. Behind a writer's back one acknowledged write is
// undone, in each way there is.
func TestModelSeesLoss(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node").start()
	for name, loss := range map[string]string{
		"a key is gone":           "DEL w7:key",
		"an older value is back":  "SET w7:key older",
		"an expiry is gone":       "PERSIST w7:key",
		"a counter is one behind": "DECR w7:counter",
		"a deleted key is back":   "SET w7:deleted again",
		"an append is missing":    "SETRANGE w7:key 5 X",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(7, func() *redis.Client { return n.newClient(1) })
			w.client = w.open()
			defer w.client.Close()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			n.do("FLUSHALL")
			for _, step := range []struct {
				key string
				op  operation
			}{
				{"w7:key", opSet("w7:key", "value")},
				{"w7:key", opAppend("w7:key", ".tail")},
				{"w7:key", opExpire("w7:key")},
				{"w7:counter", opIncr("w7:counter")},
				{"w7:counter", opIncr("w7:counter")},
				{"w7:deleted", opSet("w7:deleted", "v")},
				{"w7:deleted", opDel("w7:deleted")},
			} {
				require.NoError(t, w.write(ctx, step.key, step.op))
			}
			require.NoError(t, w.checkAll(n.client()))
			n.do(loss)
			require.ErrorContains(t, w.checkAll(n.client()), "an acknowledged write is missing")
		})
	}
}

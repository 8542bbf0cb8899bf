package engine

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// Many clients empty a collection while memtable after memtable is drained from under it: each element is taken once, none is lost, and
// what one client gets comes in the collection's order. make queues repeats it.
func TestQueuesWhileMemtablesAreDrained(t *testing.T) {
	const clients, elements, batch = 8, 6000, 100
	for _, tc := range []struct {
		name, fill, pop string
		order           int // of what a client gets: 1 upwards, -1 downwards, 0 any
	}{
		{"ZPOPMIN", "ZADD k", "ZPOPMIN k", 1},
		{"ZPOPMAX", "ZADD k", "ZPOPMAX k 3", -1},
		{"LPOP", "RPUSH k", "LPOP k", 1},
		{"RPOP", "RPUSH k", "RPOP k 2", -1},
		{"LMPOP", "RPUSH k", "LMPOP 1 k LEFT COUNT 5", 1},
		{"SPOP", "SADD k", "SPOP k", 0},
		{"XREADGROUP", "XADD k", "XREADGROUP GROUP g c COUNT 2 NOACK STREAMS k >", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNode(t, smallStore).lead()
			defer n.close()
			if tc.fill == "XADD k" {
				n.do("XGROUP CREATE k g 0 MKSTREAM")
			}
			for from := 0; from < elements; from += batch {
				n.exec(&n.client, strings.Split(fillLine(tc.fill, from, batch), "\n")...)
			}

			flushing, stop := context.WithCancel(context.Background())
			defer stop()
			var flusher, poppers errgroup.Group
			flusher.Go(func() error {
				for flushing.Err() == nil {
					if err := n.e.Flush(flushing); err != nil && flushing.Err() == nil {
						return err
					}
				}
				return nil
			})
			took := make([][]string, clients)
			for i := range clients {
				poppers.Go(func() (err error) {
					took[i], err = popAll(n, tc.pop)
					return err
				})
			}
			require.NoError(t, poppers.Wait())
			stop()
			require.NoError(t, flusher.Wait())

			for _, mine := range took {
				if tc.order < 0 {
					slices.Reverse(mine)
				}
				require.True(t, tc.order == 0 || slices.IsSorted(mine), "out of order")
			}
			all := slices.Concat(took...)
			slices.Sort(all)
			require.Equal(t, elements, len(all))
			require.Equal(t, elements, len(slices.Compact(all)), "something was given away twice")
		})
	}
}

// fillLine is a command that puts count elements into k, whose names and places go upwards.
func fillLine(command string, from, count int) string {
	var line strings.Builder
	line.WriteString(command)
	if command == "XADD k" {
		line.WriteString(" *")
	}
	for i := from; i < from+count; i++ {
		switch command {
		case "ZADD k":
			fmt.Fprintf(&line, " %d", i)
		case "XADD k":
			if i > from {
				fmt.Fprintf(&line, "\nXADD k *")
			}
			line.WriteString(" f")
		}
		fmt.Fprintf(&line, " m%06d", i)
	}
	return line.String()
}

var queueElement = regexp.MustCompile(`m\d{6}`)

// popAll sends the command until nothing is left, and returns the elements it got.
func popAll(n *testNode, command string) (took []string, err error) {
	var client Session
	for {
		reply := n.exec(&client, command)
		if strings.HasPrefix(reply, "-") {
			return nil, fmt.Errorf("%s: %s", command, reply)
		}
		got := queueElement.FindAllString(reply, -1)
		if len(got) == 0 {
			return took, nil
		}
		took = append(took, got...)
	}
}

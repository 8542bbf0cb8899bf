package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A client that has seen its connection closed is in no list any more, as in Redis.
func TestClosedClientsAreNotListed(t *testing.T) {
	r := start(t)
	for range 300 {
		c := dial(t, r.addr())
		c.send("quit\r\n")
		require.Equal(t, "+OK\r\n", c.closed())
		require.Zero(t, r.srv.clients.len())
	}
}

package server

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// A loop that asks after somebody else's wait has failed does not take that failure for its own.
func TestCommitterTellsOldFailuresFromNew(t *testing.T) {
	var m committer
	m.init()
	m.want(10)
	require.EqualValues(t, 10, m.next(nil))
	require.Zero(t, m.next(errors.New("the log was reset")))
	asked := m.want(20)
	busy, failures, _ := m.state()
	require.True(t, busy)
	require.Equal(t, failures, asked)
	require.EqualValues(t, 20, m.next(nil))
	cause := errors.New("the disk is broken")
	require.Zero(t, m.next(cause))
	busy, failures, err := m.state()
	require.False(t, busy)
	require.Greater(t, failures, asked)
	require.ErrorIs(t, err, cause)
}

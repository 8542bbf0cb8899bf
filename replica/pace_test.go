package replica

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A stream is busy while it brings busyRate and more; then pieces are gathered. The first piece after a pause leaves at once.
func TestPace(t *testing.T) {
	var p pace
	now := time.Now()
	send := func(n int, after time.Duration) {
		now = now.Add(after)
		p.note(n, now)
	}
	require.Zero(t, p.delay(100, now), "nothing is known yet")
	for range 20 { // 1.5 MB a second
		send(1500, time.Millisecond)
		require.Zero(t, p.delay(100, now))
	}
	for range 20 { // 3 MB a second
		send(300, 100*time.Microsecond)
	}
	for range 200 {
		send(300, 100*time.Microsecond)
	}
	require.Equal(t, gatherFor, p.delay(100, now))
	require.Equal(t, gatherFor-200*time.Microsecond, p.delay(100, now.Add(200*time.Microsecond)))
	require.Zero(t, p.delay(gatherBytes, now), "a whole piece is there")
	require.Zero(t, p.delay(100, now.Add(gatherFor)))
	now = now.Add(time.Second)
	require.Zero(t, p.delay(100, now), "the first piece after a pause")
	send(100, 0)
	require.Zero(t, p.delay(100, now), "it is not busy any more")
}

package replica

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgress(t *testing.T) {
	now := time.Now()
	var p Progress
	require.Equal(t, "wait_bgsave", p.State.String())
	require.Equal(t, "probe", p.String())
	require.Zero(t, p.Lag(now))
	require.ErrorIs(t, p.Acked(0, 0, now), ErrProtocol, "nobody is fed yet")

	p.BecomeSnapshot("cp", 100)
	require.Equal(t, "send_bulk", p.State.String())
	require.Equal(t, "snapshot cp at 100", p.String())
	require.ErrorIs(t, p.Acked(5, 0, now), ErrProtocol)

	p.BecomeStream(100, now)
	require.Equal(t, "online", p.State.String())
	require.ErrorIs(t, p.Acked(101, 0, now), ErrProtocol, "not sent yet")
	require.ErrorIs(t, p.Acked(1, 101, now), ErrProtocol)
	p.Sent(150)
	p.Sent(120)
	later := now.Add(3 * time.Second)
	require.Equal(t, 3*time.Second, p.Lag(later))
	require.NoError(t, p.Acked(120, 110, later))
	require.NoError(t, p.Acked(90, 80, later), "an old one arrives late")
	require.Equal(t, "stream match=120 next=150 fsynced=110", p.String())
	require.Zero(t, p.Lag(later))
	require.Zero(t, p.Lag(now), "never negative")
	p.Heard(later.Add(time.Second))
	require.Equal(t, time.Second, p.Lag(later.Add(2*time.Second)))

	p.BecomeProbe()
	require.Equal(t, Progress{}, p)
}

func TestBackoffGrowsToItsCapAndStartsAnew(t *testing.T) {
	b := backoff{first: 100 * time.Millisecond, cap: 2 * time.Second}
	around := func(want time.Duration) {
		t.Helper()
		require.InDelta(t, float64(want), float64(b.delay()), float64(want)/5+1)
	}
	for _, want := range []time.Duration{100, 200, 400, 800, 1600, 2000, 2000} {
		around(want * time.Millisecond)
	}
	b.reset()
	around(100 * time.Millisecond)
	require.Zero(t, jitter(0))
}

func TestSleepEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errInterrupted{"enough"})
	require.EqualError(t, sleep(ctx, time.Hour), "enough")
	require.NoError(t, sleep(context.Background(), time.Millisecond))
}

func TestLinkStatesAreRolesWords(t *testing.T) {
	for s, want := range []string{"none", "connect", "connecting", "handshake", "sync", "connected", "state(6)"} {
		require.Equal(t, want, linkState(s).String())
	}
	require.Equal(t, "state(9)", State(9).String())
}

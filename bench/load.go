package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Load is traffic.
type Load struct {
	Command   string // set, get, incr, mset, lpush, mixed (a SET to nine GETs) ...: see commandsOf
	Conns     int    // connections, each with its own goroutine
	Pipeline  int    // commands sent before their replies are read
	Ops       int    // in all; 0: until Length is over
	Length    time.Duration
	Keys      int     // how many different keys there are
	ValueSize int     // bytes
	Zipf      float64 // exponent of a zipfian choice of keys, above 1; 0: uniform
	Seed      uint64
}

// Outcome is what a Load has come to.
type Outcome struct {
	Ops     int
	Elapsed time.Duration
	Latency *hdrhistogram.Histogram // microseconds, of one round trip: a whole pipeline's
}

// PerSecond is the rate.
func (o Outcome) PerSecond() float64 { return float64(o.Ops) / o.Elapsed.Seconds() }

// Percentile of a round trip, in milliseconds.
func (o Outcome) Percentile(q float64) float64 { return float64(o.Latency.ValueAtQuantile(q)) / 1000 }

const (
	minLatency, maxLatency, latencyDigits = 1, 60_000_000, 3 // microseconds: up to a minute

	// maxConns bounds what a Load may ask for.
	maxConns = 10_000
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(minLatency, maxLatency, latencyDigits)
}

// Run sends the traffic to a server. An error reply of the server ends it.
func (l Load) Run(ctx context.Context, addr string) (Outcome, error) {
	if l.Conns < 1 || l.Conns > maxConns || l.Pipeline < 1 || l.Keys < 1 || (l.Ops <= 0) == (l.Length <= 0) {
		return Outcome{}, fmt.Errorf("bench: a load of %+v cannot be", l)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workers := make([]*worker, l.Conns)
	for i := range workers {
		w, err := l.newWorker(ctx, addr, i)
		if err != nil {
			return Outcome{}, err
		}
		defer w.c.Close()
		workers[i] = w
	}
	var left atomic.Int64
	left.Store(int64(l.Ops))
	began := time.Now()
	until := time.Time{}
	if l.Length > 0 {
		until = began.Add(l.Length)
	}
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() {
			if err := w.run(ctx, &left, until); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	o := Outcome{Elapsed: time.Since(began), Latency: newHistogram()}
	for _, w := range workers {
		o.Ops += w.done
		o.Latency.Merge(w.latency)
	}
	return o, context.Cause(ctx)
}

// worker is one connection of a Load.
type worker struct {
	l       Load
	c       *Client
	latency *hdrhistogram.Histogram
	done    int
	rng     *rand.Rand
	zipf    *rand.Zipf
	value   string
	add     func(w *worker)
}

func (l Load) newWorker(ctx context.Context, addr string, number int) (*worker, error) {
	add := commandsOf[l.Command]
	if add == nil {
		return nil, fmt.Errorf("bench: no such command %q", l.Command)
	}
	c, err := Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	w := &worker{l: l, c: c, latency: newHistogram(), rng: rand.New(rand.NewPCG(l.Seed, uint64(number))), add: add}
	if l.Zipf > 1 {
		w.zipf = rand.NewZipf(w.rng, l.Zipf, 1, uint64(l.Keys-1))
	}
	value := make([]byte, l.ValueSize)
	for i := range value {
		value[i] = byte('!' + w.rng.IntN('~'-'!')) // compression finds nothing in it
	}
	w.value = string(value)
	return w, nil
}

func (w *worker) run(ctx context.Context, left *atomic.Int64, until time.Time) error {
	for ctx.Err() == nil {
		n := w.l.Pipeline
		if w.l.Ops > 0 {
			if n = min(n, int(left.Add(-int64(n))+int64(n))); n <= 0 {
				return nil
			}
		}
		for range n {
			w.add(w)
		}
		sent := time.Now()
		if err := w.c.flush(); err != nil {
			return err
		}
		for range n {
			if err := w.c.skip(); err != nil {
				return err
			}
		}
		now := time.Now()
		if err := w.latency.RecordValue(max(now.Sub(sent).Microseconds(), minLatency)); err != nil {
			return err
		}
		w.done += n
		if !until.IsZero() && now.After(until) {
			return nil
		}
	}
	return nil
}

func (w *worker) key() string {
	n := uint64(0)
	if w.zipf != nil {
		n = w.zipf.Uint64()
	} else {
		n = w.rng.Uint64N(uint64(w.l.Keys))
	}
	return keyName(int(n))
}

// keyName is a key's name; all have one length.
func keyName(n int) string {
	digits := strconv.Itoa(n)
	return "key:000000000000"[:16-len(digits)] + digits
}

// commandsOf are the commands that a Load can send.
var commandsOf = map[string]func(w *worker){
	"ping": func(w *worker) { w.c.queue("PING") },
	"set":  func(w *worker) { w.c.queue("SET", w.key(), w.value) },
	"get":  func(w *worker) { w.c.queue("GET", w.key()) },
	"incr": func(w *worker) { w.c.queue("INCR", "counter:"+w.key()) },
	"mset": func(w *worker) {
		args := make([]string, 1, 21)
		args[0] = "MSET"
		for range 10 {
			args = append(args, w.key(), w.value)
		}
		w.c.queue(args...)
	},
	"mixed": func(w *worker) {
		if w.rng.IntN(10) == 0 {
			w.c.queue("SET", w.key(), w.value)
			return
		}
		w.c.queue("GET", w.key())
	},
	"lpush": func(w *worker) { w.c.queue("LPUSH", "list", w.value) },
	"rpop":  func(w *worker) { w.c.queue("RPOP", "list") },
	// The first hundred elements of a list.
	"lrange":  func(w *worker) { w.c.queue("LRANGE", "list", "0", "99") },
	"hset":    func(w *worker) { w.c.queue("HSET", "hash", w.key(), w.value) },
	"sadd":    func(w *worker) { w.c.queue("SADD", "set", w.key()) },
	"spop":    func(w *worker) { w.c.queue("SPOP", "set") },
	"zpopmin": func(w *worker) { w.c.queue("ZPOPMIN", "zset") },
	"zadd":    func(w *worker) { w.c.queue("ZADD", "zset", strconv.Itoa(w.rng.IntN(1_000_000)), w.key()) },
}

// Commands lists them.
func Commands() []string {
	var names []string
	for name := range commandsOf {
		names = append(names, name)
	}
	return names
}

const (
	fillConns    = 4
	fillPipeline = 200
)

// Fill writes keys 0 to count-1, each once, with values of size bytes.
func Fill(ctx context.Context, addr string, count, size int) error {
	var next atomic.Int64
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range fillConns {
		w, err := Load{Command: "set", Keys: count, ValueSize: size, Seed: 7}.newWorker(ctx, addr, i)
		if err != nil {
			return err
		}
		defer w.c.Close()
		wg.Go(func() {
			for ctx.Err() == nil {
				from := int(next.Add(fillPipeline)) - fillPipeline
				n := min(fillPipeline, count-from)
				if n <= 0 {
					return
				}
				if err := w.fill(from, n); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("fill: %w", err)
	}
	return ctx.Err()
}

func (w *worker) fill(from, n int) error {
	for i := range n {
		w.c.queue("SET", keyName(from+i), w.value)
	}
	if err := w.c.flush(); err != nil {
		return err
	}
	for range n {
		if err := w.c.skip(); err != nil {
			return err
		}
	}
	return nil
}

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	keysPerWriter  = 40
	maxValueBytes  = 400
	distantExpiry  = 100_000 // seconds: no key expires during a test
	reconnectAfter = 30 * time.Second
)

// keyState is what one key can be.
type keyState struct {
	exists bool
	value  string
	ttl    bool // has an expiry
}

func (s keyState) String() string {
	if !s.exists {
		return "(absent)"
	}
	return fmt.Sprintf("%q ttl=%v", s.value, s.ttl)
}

// operation is one write. apply says what it makes of a state, and what the server answers then.
type operation struct {
	args  []any
	apply func(keyState) (keyState, string)
}

func opSet(key, value string) operation {
	return operation{[]any{"SET", key, value}, func(keyState) (keyState, string) {
		return keyState{exists: true, value: value}, "OK"
	}}
}

func opDel(key string) operation {
	return operation{[]any{"DEL", key}, func(s keyState) (keyState, string) {
		if s.exists {
			return keyState{}, "1"
		}
		return keyState{}, "0"
	}}
}

func opExpire(key string) operation {
	return operation{[]any{"EXPIRE", key, distantExpiry}, func(s keyState) (keyState, string) {
		if !s.exists {
			return s, "0"
		}
		s.ttl = true
		return s, "1"
	}}
}

func opAppend(key, tail string) operation {
	return operation{[]any{"APPEND", key, tail}, func(s keyState) (keyState, string) {
		s.exists, s.value = true, s.value+tail
		return s, strconv.Itoa(len(s.value))
	}}
}

func opIncr(key string) operation {
	return operation{[]any{"INCR", key}, func(s keyState) (keyState, string) {
		n, _ := strconv.Atoi(s.value)
		s.exists, s.value = true, strconv.Itoa(n+1)
		return s, s.value
	}}
}

// writer writes to keys that nobody else touches, so that it knows what each of them may be. An answered write is a fact. A write
// whose answer was lost may or may not have happened: the key has two possible states until the writer can look again, and it
// must then be one of them.
type writer struct {
	id     int
	rng    *rand.Rand
	open   func() *redis.Client
	client *redis.Client
	states map[string][]keyState // possible states by key; none: absent
	seq    int

	acked   atomic.Int64 // writes answered
	unknown atomic.Int64 // writes whose answer was lost
	refused atomic.Int64 // writes answered with an error, hence not done
}

func newWriter(id int, open func() *redis.Client) *writer {
	return &writer{id: id, rng: rand.New(rand.NewPCG(uint64(id), 42)), open: open, states: make(map[string][]keyState)}
}

// run writes until ctx ends. An error is a broken promise.
func (w *writer) run(ctx context.Context) error {
	w.client = w.open()
	defer func() { _ = w.client.Close() }()
	for ctx.Err() == nil {
		key, op := w.next()
		if err := w.write(ctx, key, op); err != nil {
			return fmt.Errorf("writer %d: %w", w.id, err)
		}
	}
	return nil
}

func (w *writer) next() (key string, op operation) {
	w.seq++
	k := w.rng.IntN(keysPerWriter)
	if k < keysPerWriter/4 {
		key = fmt.Sprintf("w%d:counter:%d", w.id, k)
		return key, opIncr(key)
	}
	key = fmt.Sprintf("w%d:string:%d", w.id, k)
	unique := fmt.Sprintf("%d.%d;", w.id, w.seq)
	switch dice := w.rng.IntN(10); {
	case len(w.possible(key)[0].value) > maxValueBytes || dice < 4:
		return key, opSet(key, unique)
	case dice < 5:
		return key, opDel(key)
	case dice < 6:
		return key, opExpire(key)
	default:
		return key, opAppend(key, unique)
	}
}

func (w *writer) possible(key string) []keyState {
	if s := w.states[key]; len(s) > 0 {
		return s
	}
	return []keyState{{}}
}

// write does op. It does not use ctx for the network: a write that is cut off by the test's end would be one more unknown.
func (w *writer) write(ctx context.Context, key string, op operation) error {
	before := w.possible(key)
	reply, err := w.client.Do(context.Background(), op.args...).Result()
	switch {
	case err == nil:
		w.acked.Add(1)
		var after []keyState
		for _, s := range before {
			next, answer := op.apply(s)
			if answer == fmt.Sprint(reply) {
				after = append(after, next)
			}
		}
		if len(after) == 0 {
			return fmt.Errorf("%v was answered with %v; the key had been one of %v: an acknowledged write is missing", op.args, reply, before)
		}
		w.states[key] = after
		return nil
	case isErrorReply(err):
		w.refused.Add(1)
		return w.recover(ctx, key)
	default:
		w.unknown.Add(1)
		after := slices.Clone(before)
		for _, s := range before {
			next, _ := op.apply(s)
			after = append(after, next)
		}
		w.states[key] = after
		return w.recover(ctx, key)
	}
}

// recover waits for the server and looks which of its possible states the key is in.
func (w *writer) recover(ctx context.Context, key string) error {
	_ = w.client.Close()
	w.client = w.open()
	var found keyState
	err := poll(reconnectAfter, func() error {
		var err error
		found, err = readKey(w.client, key)
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil // the end of the test; the final check looks again
		}
		return fmt.Errorf("master does not come back: %w", err)
	}
	return w.check(key, found)
}

// check that found is one of the possible states, and remember that it is this one.
func (w *writer) check(key string, found keyState) error {
	possible := w.possible(key)
	if !slices.Contains(possible, found) {
		return fmt.Errorf("%s is %v, but must be one of %v: an acknowledged write is missing", key, found, possible)
	}
	w.states[key] = []keyState{found}
	return nil
}

// checkAll compares all of the writer's keys with what a server holds.
func (w *writer) checkAll(c *redis.Client) error {
	for key := range w.states {
		found, err := readKey(c, key)
		if err != nil {
			return err
		}
		if err := w.check(key, found); err != nil {
			return fmt.Errorf("writer %d: %w", w.id, err)
		}
	}
	return nil
}

func readKey(c *redis.Client, key string) (keyState, error) {
	ctx := context.Background()
	value, err := c.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return keyState{}, nil
	}
	if err != nil {
		return keyState{}, err
	}
	ttl, err := c.Do(ctx, "TTL", key).Int()
	if err != nil {
		return keyState{}, err
	}
	return keyState{exists: true, value: strings.Clone(value), ttl: ttl >= 0}, nil
}

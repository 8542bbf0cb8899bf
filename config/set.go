package config

import (
	"errors"
	"slices"
	"strings"
)

// OnChange registers fn to be called by Set, in order of registration, before the new configuration is published. An
// error vetoes the whole Set: those called before get the reverse call, fn(new, old), whose error is ignored. If it is
// an *Error its Directive and Problem go into the reply. fn must not call Set or SetReplicaOf.
func (m *Manager) OnChange(fn func(old, new *Config) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.onChange = append(m.mu.onChange, fn)
}

// Set is CONFIG SET: all pairs of name and value take effect together, or none. The error's text is the complete
// error reply, in the words of Redis 7.0.15. An empty list does nothing.
func (m *Manager) Set(pairs [][2]string) error {
	if len(pairs) == 0 {
		return nil
	}
	m.setting.Lock()
	defer m.setting.Unlock()

	old := m.current.Load()
	if err := checkSettable(old, pairs); err != nil {
		return err
	}
	next := &settings{values: slices.Clone(old.values), given: slices.Clone(old.given)}
	for _, p := range pairs {
		d := lookup(p[0])
		v, err := d.parse([]string{p[1]}, d.initial(next.values[d.index]))
		if err != nil {
			return setFailed(p[0], err.Error(), err)
		}
		next.values[d.index], next.given[d.index] = v, true
	}
	next.build()
	if err := next.validate(); err != nil {
		return setFailed(blamed(pairs, err.Directive), err.Problem, err)
	}
	if err := m.announce(old.config, next.config); err != nil {
		return vetoed(pairs, err)
	}
	m.current.Store(next)
	return nil
}

// checkSettable refuses what may not be set. As in Redis the first pair that is unknown, immutable, protected or
// repeated is the one reported, before any value is looked at.
func checkSettable(s *settings, pairs [][2]string) error {
	unprotected := s.values[lookup("enable-protected-configs").index].text == "yes"
	for i, p := range pairs {
		d := lookup(p[0])
		switch {
		case d == nil || d.hidden:
			return &setError{text: "ERR Unknown option or number of arguments for CONFIG SET - '" + p[0] + "'"}
		case d.fixed, d.name == "dir" && unprotected: // data cannot move under a running server
			return setFailed(p[0], "can't set immutable config", nil)
		case d.protected && !unprotected:
			return setFailed(p[0], "can't set protected config", nil)
		}
		for _, q := range pairs[:i] {
			if strings.EqualFold(p[0], q[0]) {
				return setFailed(p[0], "duplicate parameter", nil)
			}
		}
	}
	return nil
}

// announce calls the callbacks, and on a veto those already called with the arguments swapped.
func (m *Manager) announce(old, next *Config) error {
	m.mu.Lock()
	callbacks := slices.Clone(m.mu.onChange)
	m.mu.Unlock()
	for i, fn := range callbacks {
		if err := fn(old, next); err != nil {
			for _, undo := range slices.Backward(callbacks[:i]) {
				_ = undo(next, old) // the state being returned to was accepted before
			}
			return err
		}
	}
	return nil
}

func vetoed(pairs [][2]string, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Directive != "" {
		return setFailed(blamed(pairs, e.Directive), e.Problem, err)
	}
	return setFailed(pairs[0][0], err.Error(), err)
}

// blamed is the argument that named the directive, or the first one.
func blamed(pairs [][2]string, name string) string {
	for _, p := range pairs {
		if d := lookup(p[0]); d != nil && d.name == name {
			return p[0]
		}
	}
	return pairs[0][0]
}

// SetReplicaOf records the role taken at run time (nil: master), so that CONFIG GET and CONFIG REWRITE show it. OnChange
// callbacks are not called: the caller is who changes the role.
func (m *Manager) SetReplicaOf(a *Addr) {
	m.setting.Lock()
	defer m.setting.Unlock()

	old := m.current.Load()
	next := &settings{values: slices.Clone(old.values), given: slices.Clone(old.given)}
	d := lookup("replicaof")
	if a != nil {
		a = &Addr{Host: a.Host, Port: a.Port}
	}
	next.values[d.index], next.given[d.index] = addressValue(a), a != nil
	next.build()
	m.current.Store(next)
}

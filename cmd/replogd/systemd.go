package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// notifier tells systemd how the service is (sd_notify(3)): one datagram of VARIABLE=value lines. The zero value is silent.
type notifier struct{ socket string }

// startExtension is how much longer a start may take each time it is asked for, half of which passes between two requests: the
// replay of a long log must not be taken for a hang.
const startExtension = 30 * time.Second

// newNotifier is silent unless supervised is systemd or auto and systemd started this process.
func newNotifier(supervised string) notifier {
	if supervised != "systemd" && supervised != "auto" {
		return notifier{}
	}
	return notifier{socket: os.Getenv("NOTIFY_SOCKET")}
}

func (n notifier) send(lines ...string) error {
	if n.socket == "" {
		return nil
	}
	name := n.socket
	if strings.HasPrefix(name, "@") {
		name = "\x00" + name[1:] // the abstract name space
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// extendStart keeps asking for more time until stop is called.
func (n notifier) extendStart() (stop func()) {
	if n.socket == "" {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(startExtension / 2)
		defer t.Stop()
		for {
			_ = n.send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", startExtension.Microseconds()), "STATUS=Loading") // asked again soon
			select {
			case <-t.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

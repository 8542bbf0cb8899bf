// Package bench measures replogd beside other servers that speak the Redis protocol.
//
// # What it promises
//
//   - The servers are started by it, as processes of their own in fresh directories, and are gone when it ends.
//   - Every contestant does the same work, in turn, round by round, within one run: what the machine does meanwhile meets all of them. The
//     order is turned round from round to round.
//   - What is reported is what was measured: the median, the least and the most of the rounds, and the ratio of medians to the reference (the
//     first peer). Beside each rate stand the CPU time of the server per operation, its resident memory and the bytes it wrote.
//   - The machine is measured first (Machine): figures mean little without its fsync.
//
// # Shape
//
// A Scenario does its work with one Program and returns Values; Run plays scenarios with all contestants and collects a Report, which is printed
// as text, JSON, a page of HTML or a picture. Load is the generator of traffic: connections, pipelining, a mix of commands, keys uniform or zipfian. It
// shares the machine with the server, so it is written to cost little: one goroutine and two buffers for each connection.
//
// The package imports no other of this project: it knows the servers from outside, as their users do.
package bench

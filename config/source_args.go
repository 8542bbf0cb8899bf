package config

import (
	"strings"
)

// envPrefix begins the names of environment variables: REPLOGD_REPL_TIMEOUT is repl-timeout.
const envPrefix = "REPLOGD_"

// parseArgs splits a command line in redis-server's form: [file|-] [--directive word...]...
func parseArgs(args []string) (file string, entries []entry, err error) {
	if len(args) > 0 && (args[0] == "-" || !strings.HasPrefix(args[0], "-")) {
		file, args = args[0], args[1:]
	}
	for len(args) > 0 {
		name, ok := strings.CutPrefix(args[0], "--")
		if !ok || name == "" {
			return "", nil, &Error{
				File: fromArgs, Text: args[0], Problem: "not a directive",
				Remedy: "write: replogd [file.conf] [--directive value ...], the file first",
			}
		}
		n := 1
		for n < len(args) && !strings.HasPrefix(args[n], "--") {
			n++
		}
		e, err := argEntry(name, args[1:n])
		if err != nil {
			return "", nil, err
		}
		entries, args = append(entries, e), args[n:]
	}
	return file, entries, nil
}

func argEntry(name string, words []string) (entry, error) {
	text := "--" + name
	if len(words) > 0 {
		text += " " + quoteArgs(words)
	}
	if before, after, ok := strings.Cut(name, "="); ok && lookup(before) != nil {
		return entry{}, &Error{
			File: fromArgs, Text: "--" + before + "=...", Directive: lookup(before).name, Problem: "unknown directive",
			Remedy: "write the value as a word of its own: --" + before + " " + masked(lookup(before), after),
		}
	}
	if strings.EqualFold(name, includeDirective) {
		return entry{}, &Error{File: fromArgs, Text: text, Directive: includeDirective, Problem: "include works in files only", Remedy: "name the file first on the command line"}
	}
	d := lookup(name)
	if d == nil {
		return entry{}, unknown(fromArgs, 0, text, name, "--%s")
	}
	if d.kind == savePoints && len(words) == 0 {
		words = []string{""} // redis-server takes a bare --save for --save ""
	}
	return entry{d: d, args: words, source: fromArgs, text: text}, nil
}

func masked(d *directive, s string) string {
	if d.secret {
		return "***"
	}
	return quoteArg(s)
}

// indexEnv names the environment variable of every directive, its aliases included.
func indexEnv(names map[string]*directive) map[string]*directive {
	m := make(map[string]*directive, len(names))
	for name, d := range names {
		m[envName(name)] = d
	}
	return m
}

func envName(directive string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(directive, "-", "_"))
}

// parseEnv picks REPLOGD_* out of environ ("name=value" strings). Variables that Kubernetes and Docker inject for a
// service called replogd (REPLOGD_PORT=tcp://10.0.0.1:6379, REPLOGD_SERVICE_HOST, ...) are not ours and are left out,
// with a warning where the name could have been.
func parseEnv(environ []string) (entries []entry, warnings []string, err error) {
	for _, kv := range environ {
		name, val, ok := strings.Cut(kv, "=")
		if !ok || !strings.HasPrefix(name, envPrefix) || isServiceLink(name) {
			continue
		}
		d := byEnv[name]
		if d == nil {
			word := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, envPrefix), "_", "-"))
			e := &Error{File: fromEnv, Text: name, Problem: "unknown directive '" + word + "'", Remedy: "unset the variable"}
			if s := suggest(word); s != "" {
				e.Remedy = "did you mean " + envName(s) + "?"
			}
			return nil, nil, e
		}
		if d.name == "port" && strings.Contains(val, "://") {
			warnings = append(warnings, name+" of the environment is a service address ("+val+"), not a port: ignored")
			continue
		}
		entries = append(entries, entry{d: d, args: []string{val}, source: fromEnv, text: name + "=" + val})
	}
	return entries, warnings, nil
}

func isServiceLink(name string) bool {
	rest := strings.TrimPrefix(name, envPrefix)
	if strings.HasPrefix(rest, "SERVICE_") || rest == "NAME" {
		return true
	}
	digit, ok := strings.CutPrefix(rest, "PORT_")
	return ok && digit != "" && digit[0] >= '0' && digit[0] <= '9'
}

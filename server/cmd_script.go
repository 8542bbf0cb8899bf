package server

// scriptCommands are what Sentinel asks of a server that may be busy with a script.
var scriptCommands = map[string]handler{
	"script|kill": func(c *conn, _ [][]byte) { c.w.Error("NOTBUSY No scripts in execution right now.") },
	"script|help": help("SCRIPT", []string{"KILL", "    Kill the currently executing Lua script."}),
}

package server

func infoClients(s *Server, w *infoWriter) {
	normal, blocked := int64(0), int64(0)
	s.clients.each(func(c *conn) {
		flags := c.flags.Load()
		if flags&flagReplica == 0 {
			normal++
		}
		if flags&flagBlocked != 0 {
			blocked++
		}
	})
	w.num("connected_clients", normal)
	w.num("cluster_connections", 0)
	w.num("maxclients", int64(s.cfg.Current().MaxClients))
	w.num("client_recent_max_input_buffer", s.stats.maxQuery.load())
	w.num("client_recent_max_output_buffer", s.stats.maxReply.load())
	w.num("blocked_clients", blocked)
	w.num("tracking_clients", 0)
	w.num("clients_in_timeout_table", 0)
}

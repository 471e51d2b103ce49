package main

import "sync"

// mostKeys bounds each map of the counters: paths and callers are chosen by others, memory is not.
const mostKeys = 1000

// tally is what an echo server has served since its start or its last reset.
type tally struct {
	Total     int            `json:"total"`
	Protocols map[string]int `json:"protocols"`
	Statuses  map[string]int `json:"statuses"`
	Paths     map[string]int `json:"paths"`
	Callers   map[string]int `json:"callers"`
}

type counters struct {
	mu    sync.Mutex
	tally tally
}

func (c *counters) add(protocol, status, path, caller string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally.Total++
	count(&c.tally.Protocols, protocol)
	count(&c.tally.Statuses, status)
	count(&c.tally.Paths, path)
	if caller != "" {
		count(&c.tally.Callers, caller)
	}
}

func (c *counters) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally = tally{}
}

func (c *counters) snapshot() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	return tally{
		Total:     c.tally.Total,
		Protocols: copied(c.tally.Protocols),
		Statuses:  copied(c.tally.Statuses),
		Paths:     copied(c.tally.Paths),
		Callers:   copied(c.tally.Callers),
	}
}

// count raises one key; keys beyond the bound are counted together.
func count(in *map[string]int, key string) {
	if *in == nil {
		*in = make(map[string]int)
	}
	if _, known := (*in)[key]; !known && len(*in) >= mostKeys {
		key = "(others)"
	}
	(*in)[key]++
}

func copied(from map[string]int) map[string]int {
	to := make(map[string]int, len(from))
	for key, value := range from {
		to[key] = value
	}
	return to
}

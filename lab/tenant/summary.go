package main

import (
	"math"
	"slices"
	"time"
)

// seriesStep is the width of one bucket of a load's series.
const seriesStep = 100 * time.Millisecond

// summary is what `tenant load` prints. Regions, versions, pods and latency are those of good answers; times are
// milliseconds, offsets count from the start of the load.
type summary struct {
	URL       string         `json:"url"`
	Started   time.Time      `json:"started"`
	Ended     string         `json:"ended"` // by duration, count, signal, file or stdin
	ElapsedMS float64        `json:"elapsed_ms"`
	Sent      int            `json:"sent"`
	NotSent   int            `json:"not_sent"`
	OK        int            `json:"ok"`
	Failed    int            `json:"failed"`
	Statuses  map[string]int `json:"statuses"`
	Errors    map[string]int `json:"errors"`
	Services  map[string]int `json:"services"`
	Regions   map[string]int `json:"regions"`
	Versions  map[string]int `json:"versions"`
	Pods      map[string]int `json:"pods"`
	// FailedRegions names the regions whose workloads answered with a failure of their own.
	FailedRegions map[string]int `json:"failed_regions"`
	Latency       latency        `json:"latency"`
	LongestGapMS  float64        `json:"longest_gap_ms"`    // between two good answers
	LongestGapAt  *float64       `json:"longest_gap_at_ms"` // when it began; null with fewer than two good answers
	FirstFailure  *float64       `json:"first_failure_ms"`
	LastFailure   *float64       `json:"last_failure_ms"`
	Series        []bucket       `json:"series,omitempty"`
}

// latency counts from the moment a request was due, so that a late sender does not flatter the server.
type latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// bucket counts the requests that ended within one step.
type bucket struct {
	T        int64          `json:"t_ms"`
	OK       int            `json:"ok"`
	Failed   int            `json:"failed"`
	Regions  map[string]int `json:"regions,omitempty"`
	Versions map[string]int `json:"versions,omitempty"`
}

func summarise(outcomes []outcome, elapsed time.Duration, series bool) summary {
	slices.SortStableFunc(outcomes, func(a, b outcome) int { return int(a.done - b.done) })
	s := summary{
		ElapsedMS: milliseconds(elapsed), Statuses: map[string]int{}, Errors: map[string]int{}, Services: map[string]int{},
		Regions: map[string]int{}, Versions: map[string]int{}, Pods: map[string]int{}, FailedRegions: map[string]int{},
	}
	var latencies []time.Duration
	var lastGood *outcome
	for i := range outcomes {
		o := &outcomes[i]
		if o.withheld {
			s.NotSent++
			continue
		}
		s.Sent++
		if o.kind != "" {
			s.Errors[o.kind]++
		} else {
			s.Statuses[o.answer.status]++
		}
		if !o.good() {
			s.Failed++
			if o.answer.from.Region != "" {
				s.FailedRegions[o.answer.from.Region]++
			}
			at := milliseconds(o.done)
			if s.FirstFailure == nil {
				s.FirstFailure = &at
			}
			s.LastFailure = &at
			continue
		}
		s.OK++
		named(s.Services, o.answer.from.Service)
		named(s.Regions, o.answer.from.Region)
		named(s.Versions, o.answer.from.Version)
		named(s.Pods, o.answer.from.Pod)
		latencies = append(latencies, o.done-o.due)
		if lastGood != nil {
			if gap := milliseconds(o.done - lastGood.done); s.LongestGapAt == nil || gap > s.LongestGapMS {
				at := milliseconds(lastGood.done)
				s.LongestGapMS, s.LongestGapAt = gap, &at
			}
		}
		lastGood = o
	}
	s.Latency = percentiles(latencies)
	if series {
		s.Series = buckets(outcomes, elapsed)
	}
	return s
}

func (o outcome) good() bool { return !o.withheld && o.kind == "" && o.answer.good }

// named counts what an answer says of itself; an answer that is not an echo's says nothing.
func named(in map[string]int, name string) {
	if name != "" {
		in[name]++
	}
}

func percentiles(latencies []time.Duration) latency {
	if len(latencies) == 0 {
		return latency{}
	}
	slices.Sort(latencies)
	// Nearest rank: the smallest value that at least this share of all values does not exceed.
	rank := func(share float64) float64 {
		return milliseconds(latencies[int(math.Ceil(share*float64(len(latencies))))-1])
	}
	return latency{P50: rank(0.50), P90: rank(0.90), P99: rank(0.99), Max: rank(1)}
}

// buckets has one entry for every step of the load, empty ones too: a gap is to be seen.
func buckets(outcomes []outcome, elapsed time.Duration) []bucket {
	series := make([]bucket, int(elapsed/seriesStep)+1)
	for i := range series {
		series[i].T = int64(i) * seriesStep.Milliseconds()
	}
	for _, o := range outcomes {
		if o.withheld {
			continue
		}
		at := &series[min(int(o.done/seriesStep), len(series)-1)]
		if !o.good() {
			at.Failed++
			continue
		}
		at.OK++
		if region := o.answer.from.Region; region != "" {
			count(&at.Regions, region)
		}
		if version := o.answer.from.Version; version != "" {
			count(&at.Versions, version)
		}
	}
	return series
}

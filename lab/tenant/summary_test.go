package main

import (
	"testing"
	"time"
)

func good(due, done int, region string) outcome {
	return outcome{
		due: time.Duration(due) * time.Millisecond, done: time.Duration(done) * time.Millisecond,
		answer: answer{status: "200", good: true, from: identity{Service: "s", Region: region, Version: "v1", Pod: region + "-pod"}},
	}
}

func failed(done int, kind, status, region string) outcome {
	at := time.Duration(done) * time.Millisecond
	return outcome{due: at, done: at, kind: kind, answer: answer{status: status, from: identity{Region: region}}}
}

func TestSummaryCountsEveryRequestOnce(t *testing.T) {
	s := summarise([]outcome{
		good(0, 5, "east"), failed(20, "", "503", "west"), failed(30, "refused", "", ""), good(40, 50, "west"),
		{due: 60 * time.Millisecond, done: 60 * time.Millisecond, withheld: true},
	}, 100*time.Millisecond, false)
	if s.Sent != 4 || s.NotSent != 1 || s.OK != 2 || s.Failed != 2 {
		t.Errorf("sent %d, not sent %d, ok %d, failed %d; want 4, 1, 2, 2", s.Sent, s.NotSent, s.OK, s.Failed)
	}
	if s.Statuses["200"] != 2 || s.Statuses["503"] != 1 || len(s.Statuses) != 2 {
		t.Errorf("statuses %v: an attempt without an answer has no status", s.Statuses)
	}
	if s.Errors["refused"] != 1 || len(s.Errors) != 1 {
		t.Errorf("errors %v", s.Errors)
	}
	if s.Regions["east"] != 1 || s.Regions["west"] != 1 || s.FailedRegions["west"] != 1 {
		t.Errorf("regions %v, failed regions %v", s.Regions, s.FailedRegions)
	}
	if *s.FirstFailure != 20 || *s.LastFailure != 30 {
		t.Errorf("failures from %v to %v; want 20 to 30", *s.FirstFailure, *s.LastFailure)
	}
}

func TestLongestGapIsBetweenGoodAnswersInOrderOfTheirArrival(t *testing.T) {
	// Notes arrive out of order, and failures do not close a gap.
	s := summarise([]outcome{good(400, 410, "e"), good(0, 10, "e"), failed(200, "timeout", "", ""), good(10, 30, "e")},
		500*time.Millisecond, false)
	if s.LongestGapMS != 380 || *s.LongestGapAt != 30 {
		t.Errorf("gap of %v ms at %v ms; want 380 at 30", s.LongestGapMS, *s.LongestGapAt)
	}
}

func TestSummaryOfNothingHasNoFailureAndNoGap(t *testing.T) {
	s := summarise(nil, time.Second, true)
	if s.Sent != 0 || s.FirstFailure != nil || s.LongestGapAt != nil || s.Latency.Max != 0 {
		t.Errorf("%+v", s)
	}
	if len(s.Series) != 11 {
		t.Errorf("%d buckets for one second; want one for each 100 ms and the end", len(s.Series))
	}
}

func TestLatencyCountsFromWhenARequestWasDue(t *testing.T) {
	var outcomes []outcome
	for i := 1; i <= 100; i++ {
		outcomes = append(outcomes, good(1000, 1000+i, "e"))
	}
	if got, want := summarise(outcomes, 2*time.Second, false).Latency, (latency{P50: 50, P90: 90, P99: 99, Max: 100}); got != want {
		t.Errorf("latency %+v; want %+v", got, want)
	}
}

func TestSeriesShowsWhichRegionAndVersionAnsweredWhen(t *testing.T) {
	series := summarise([]outcome{good(0, 99, "e"), failed(150, "", "503", ""), good(200, 320, "w"), good(0, 5000, "w")},
		400*time.Millisecond, true).Series
	if len(series) != 5 {
		t.Fatalf("%d buckets; want 5", len(series))
	}
	if series[0].OK != 1 || series[0].Regions["e"] != 1 || series[1].Failed != 1 || series[2].OK != 0 ||
		series[3].Regions["w"] != 1 || series[4].OK != 1 || series[3].T != 300 ||
		series[0].Versions["v1"] != 1 || len(series[1].Versions) != 0 {
		t.Errorf("%+v", series)
	}
}

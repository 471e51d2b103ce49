package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"sync"
	"time"
)

// The bounds keep a forgotten generator from taking the machine with it.
const (
	largestRate        = 1000.0
	longestLoad        = 300 * time.Second
	largestConcurrency = 1000
)

// watchInterval is how often a file that ends the load is looked for.
const watchInterval = 100 * time.Millisecond

// plan is a bounded load; Count 0 leaves the end to Duration.
type plan struct {
	rate        float64
	duration    time.Duration
	count       int
	concurrency int
	timeout     time.Duration
}

func (p plan) validate() error {
	switch {
	case p.rate <= 0 || p.rate > largestRate:
		return fmt.Errorf("--rate must be above 0 and at most %.0f requests a second", largestRate)
	case p.duration <= 0 || p.duration > longestLoad:
		return fmt.Errorf("--duration must be above 0 and at most %s", longestLoad)
	case p.count < 0:
		return errors.New("--count is negative")
	case p.concurrency < 1 || p.concurrency > largestConcurrency:
		return fmt.Errorf("--concurrency must be 1 to %d", largestConcurrency)
	case p.timeout <= 0:
		return errors.New("--timeout must be above 0")
	}
	return nil
}

// outcome is one request's fate; offsets count from the start of the load.
type outcome struct {
	due      time.Duration
	done     time.Duration
	answer   answer
	kind     string // of the error, or empty where an answer came
	withheld bool   // not sent: --concurrency requests were already in flight
}

// run sends requests at the plan's rate, whatever the answers take: a generator that waits for slow answers sends less
// just when it matters and hides the delay. It returns what became of each and why it ended.
func (p plan) run(ctx context.Context, c caller) ([]outcome, time.Duration, string) {
	var (
		mu       sync.Mutex
		outcomes []outcome
		inFlight sync.WaitGroup
	)
	note := func(o outcome) {
		mu.Lock()
		defer mu.Unlock()
		outcomes = append(outcomes, o)
	}
	free := make(chan struct{}, p.concurrency)
	started := time.Now()
	ended := "duration"
	timer := time.NewTimer(0)
	defer timer.Stop()
loop:
	for i := 0; ; i++ {
		due := time.Duration(float64(i) / p.rate * float64(time.Second))
		if due >= p.duration {
			break
		}
		if p.count > 0 && i >= p.count {
			ended = "count"
			break
		}
		timer.Reset(time.Until(started.Add(due)))
		select {
		case <-ctx.Done():
			ended = causeOf(ctx)
			break loop
		case <-timer.C:
		}
		select {
		case free <- struct{}{}:
		default:
			note(outcome{due: due, done: due, withheld: true})
			continue
		}
		inFlight.Add(1)
		go func() {
			defer inFlight.Done()
			defer func() { <-free }()
			// The stop ends the sending; what is in flight may still be answered.
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timeout)
			defer cancel()
			got, err := c.call(bounded)
			o := outcome{due: due, done: time.Since(started), answer: got}
			if err != nil {
				o.kind = kindOf(err)
			}
			note(o)
		}()
	}
	inFlight.Wait()
	return outcomes, time.Since(started), ended
}

func causeOf(ctx context.Context) string {
	var reason stopReason
	if errors.As(context.Cause(ctx), &reason) {
		return string(reason)
	}
	return "signal"
}

// stopReason ends a load before its time.
type stopReason string

func (s stopReason) Error() string { return string(s) }

// stopWhenFileExists and stopWhenClosed end a load from where no signal can be sent, such as the far end of an exec.
func stopWhenFileExists(ctx context.Context, stop context.CancelCauseFunc, path string) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if _, err := os.Stat(path); err == nil {
				stop(stopReason("file"))
				return
			}
		}
	}
}

func stopWhenClosed(stop context.CancelCauseFunc, in io.Reader) {
	_, _ = io.Copy(io.Discard, bufio.NewReader(in))
	stop(stopReason("stdin"))
}

func runLoad(ctx context.Context, arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	var c connection
	var r request
	var p plan
	c.register(flags)
	address := flags.String("url", "", "http, https, grpc, grpcs or tcp `URL`")
	flags.StringVar(&r.method, "method", "GET", "HTTP method")
	flags.StringVar(&r.body, "data", "", "body to send")
	flags.Var(&r.headers, "header", "`NAME=VALUE` to send; repeatable")
	flags.BoolVar(&r.http2, "http2", false, "speak HTTP/2, without TLS too")
	fresh := flags.Bool("no-keepalive", false, "open a connection for every request")
	flags.Float64Var(&p.rate, "rate", 10, "requests a second, at most 1000")
	flags.DurationVar(&p.duration, "duration", 10*time.Second, "how long to send, at most 300s")
	flags.IntVar(&p.count, "count", 0, "requests to send before the duration is over (0: no such bound)")
	flags.IntVar(&p.concurrency, "concurrency", 100, "most requests in flight; more are counted as not_sent")
	series := flags.Bool("series", false, "add the counts of every 100 ms")
	untilFile := flags.String("until-file", "", "end early when this `file` appears")
	untilClosed := flags.Bool("until-stdin-closes", false, "end early when standard input is closed")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	p.timeout = c.timeout
	if err := p.validate(); err != nil {
		return err
	}
	target, err := url.Parse(*address)
	if err != nil {
		return err
	}
	r.target, r.keepAlive = target, !*fresh
	caller, err := newCaller(&c, r, p.concurrency)
	if err != nil {
		return err
	}
	defer caller.close()
	sending, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if *untilFile != "" {
		go stopWhenFileExists(sending, stop, *untilFile)
	}
	if *untilClosed {
		go stopWhenClosed(stop, os.Stdin)
	}
	started := time.Now()
	outcomes, elapsed, ended := p.run(sending, caller)
	result := summarise(outcomes, elapsed, *series)
	result.URL, result.Started, result.Ended = *address, started.UTC(), ended
	return printJSON(out, result)
}

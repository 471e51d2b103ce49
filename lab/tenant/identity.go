package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// identity names the workload that answered. It comes from the pod's environment: SERVICE, VERSION, REGION, ZONE, POD.
type identity struct {
	Service string `json:"service"`
	Version string `json:"version"`
	Region  string `json:"region"`
	Zone    string `json:"zone"`
	Pod     string `json:"pod"`
}

func identityFromEnvironment() identity {
	return identity{
		Service: os.Getenv("SERVICE"),
		Version: os.Getenv("VERSION"),
		Region:  os.Getenv("REGION"),
		Zone:    os.Getenv("ZONE"),
		Pod:     os.Getenv("POD"),
	}
}

// duration reads and writes Go's notation ("2s", "150ms") in JSON.
type duration time.Duration

func (d duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

func (d *duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("a duration is a string such as \"2s\": %w", err)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	*d = duration(parsed)
	return nil
}

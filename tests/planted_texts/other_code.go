// Copyright 2023 The Tidewater Tools authors. All rights reserved.
// Use of this source code is governed by a licence that can be found
// in the LICENSE file at the top of this repository.

// Package chart draws the water levels of a day as a line of text.
package chart

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNoReadings is returned for a day on which a gauge sent nothing.
var ErrNoReadings = errors.New("chart: no readings")

const blocks = "▁▂▃▄▅▆▇█"

// Sample is a level at an hour of the day.
type Sample struct {
	Hour  int
	Value float64
}

// Line returns one character for each hour, higher for more water.
func Line(day time.Time, samples []Sample) (string, error) {
	if len(samples) == 0 {
		return "", fmt.Errorf("%w on %s", ErrNoReadings, day.Format(time.DateOnly))
	}
	low, high := samples[0].Value, samples[0].Value
	for _, sample := range samples {
		low, high = min(low, sample.Value), max(high, sample.Value)
	}
	hours := [24]rune{}
	steps := []rune(blocks)
	for _, sample := range samples {
		step := 0
		if high > low {
			step = int((sample.Value - low) / (high - low) * float64(len(steps)-1))
		}
		hours[sample.Hour%24] = steps[step]
	}
	var line strings.Builder
	for _, mark := range hours {
		if mark == 0 {
			mark = ' '
		}
		line.WriteRune(mark)
	}
	return line.String(), nil
}

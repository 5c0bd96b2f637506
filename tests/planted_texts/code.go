// Copyright 2023 The Tidewater Tools authors. All rights reserved.
// Use of this source code is governed by a licence that can be found
// in the LICENSE file at the top of this repository.

// Package tide keeps a queue of water levels and raises an alarm
// when a gauge has been silent, or above its mark, for too long.
package tide

import (
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"
)

// ErrUnknownGauge is returned for a gauge that was never registered.
var ErrUnknownGauge = errors.New("tide: unknown gauge")

// Level is one reading of a gauge in millimetres above the datum.
type Level struct {
	Gauge string
	At    time.Time
	Mark  int
}

// Queue holds the latest readings of every gauge, oldest first.
type Queue struct {
	mutex   sync.Mutex
	levels  map[string][]Level
	limits  map[string]int
	silence time.Duration
	keep    int
}

// NewQueue returns an empty queue that keeps a number of readings per gauge.
func NewQueue(keep int, silence time.Duration) *Queue {
	if keep < 1 {
		keep = 1
	}
	return &Queue{
		levels:  make(map[string][]Level),
		limits:  make(map[string]int),
		silence: silence,
		keep:    keep,
	}
}

// Register adds a gauge with the mark from which its water is too high.
func (queue *Queue) Register(gauge string, limit int) {
	queue.mutex.Lock()
	defer queue.mutex.Unlock()
	queue.limits[gauge] = limit
	if _, known := queue.levels[gauge]; !known {
		queue.levels[gauge] = nil
	}
}

// Push stores a reading. Readings that arrive late are put in their place,
// so a gauge that was offline may send its backlog in any order.
func (queue *Queue) Push(level Level) error {
	queue.mutex.Lock()
	defer queue.mutex.Unlock()
	stored, known := queue.levels[level.Gauge]
	if !known {
		return fmt.Errorf("%w: %q", ErrUnknownGauge, level.Gauge)
	}
	place := sort.Search(len(stored), func(at int) bool {
		return stored[at].At.After(level.At)
	})
	stored = append(stored, Level{})
	copy(stored[place+1:], stored[place:])
	stored[place] = level
	if excess := len(stored) - queue.keep; excess > 0 {
		stored = stored[excess:]
	}
	queue.levels[level.Gauge] = stored
	return nil
}

// Alarms returns the gauges that need a person, sorted by name, with a reason.
func (queue *Queue) Alarms(now time.Time) []string {
	queue.mutex.Lock()
	defer queue.mutex.Unlock()
	var alarms []string
	for gauge, stored := range queue.levels {
		if len(stored) == 0 {
			alarms = append(alarms, gauge+": has never sent a reading")
			continue
		}
		last := stored[len(stored)-1]
		if quiet := now.Sub(last.At); quiet > queue.silence {
			alarms = append(alarms, fmt.Sprintf("%s: silent for %s", gauge, quiet.Round(time.Minute)))
			continue
		}
		if limit := queue.limits[gauge]; last.Mark >= limit && rising(stored) {
			alarms = append(alarms, fmt.Sprintf("%s: at %d, the limit is %d", gauge, last.Mark, limit))
		}
	}
	sort.Strings(alarms)
	return alarms
}

// rising reports whether the last three readings do not fall.
func rising(stored []Level) bool {
	first := len(stored) - 3
	if first < 0 {
		first = 0
	}
	for at := first + 1; at < len(stored); at++ {
		if stored[at].Mark < stored[at-1].Mark {
			return false
		}
	}
	return true
}

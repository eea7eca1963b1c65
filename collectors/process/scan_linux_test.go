package process

import (
	"testing"

	gops "github.com/shirou/gopsutil/v3/process"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// BenchmarkScan compares a look at every process: own reader with and without
// figures, and gopsutil, over the same processes.
func BenchmarkScan(b *testing.B) {
	var stats collectors.Stats
	w := newWatch(testEnv(&stats), func(*eventv1.Event) {}, eventv1.Rung_RUNG_POLL)
	if err := w.scan(true, true); err != nil {
		b.Fatal(err)
	}
	b.Run("new_pids_only", func(b *testing.B) { benchScan(b, w, false) })
	b.Run("every_figure", func(b *testing.B) { benchScan(b, w, true) })
	b.Run("gopsutil_every_figure", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			list, err := gops.Processes()
			if err != nil {
				b.Fatal(err)
			}
			n = len(list)
			for _, p := range list {
				p.Times()
				p.MemoryInfo()
			}
		}
		b.ReportMetric(float64(n), "processes")
	})
	b.Run("gopsutil_pids_only", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := gops.Pids(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchScan(b *testing.B, w *watch, all bool) {
	b.ReportAllocs()
	for b.Loop() {
		if err := w.scan(all, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(w.table)), "processes")
}

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/seclog/seclog/test/bench/corpus"
)

// result is all rounds of one output.
type result struct {
	output output
	runs   []once
}

// cpu is the median over the rounds.
func (r result) cpu() time.Duration {
	return median(r.runs, func(o once) time.Duration { return o.cpu })
}

// peakMB is the largest of the rounds.
func (r result) peakMB() float64 {
	peak := 0.0
	for _, o := range r.runs {
		peak = max(peak, o.peakMB)
	}
	return peak
}

// median is the middle value, the mean of the two middle ones of an even
// number, and 0 of none.
func median(runs []once, of func(once) time.Duration) time.Duration {
	var all []time.Duration
	for _, o := range runs {
		all = append(all, of(o))
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// writeTable prints a line for each output, as Markdown.
func writeTable(w io.Writer, results []result, stats corpus.Stats) {
	var null, base *result
	for i := range results {
		switch results[i].output.name {
		case "null":
			null = &results[i]
		case "opensearch":
			base = &results[i]
		}
	}
	above := func(r *result) float64 {
		return float64((r.cpu() - null.cpu()).Nanoseconds()) / 1e3 / float64(stats.Lines)
	}
	const columns = 8
	rows := [][columns]string{{"output", "CPU s", "of the rounds", "above null, µs a record", "× C opensearch", "peak MB", "s", "documents"}}
	for i := range results {
		r := &results[i]
		row := [columns]string{r.output.name, fmt.Sprintf("%.2f", r.cpu().Seconds()), "", "–", "–", fmt.Sprintf("%.0f", r.peakMB()),
			fmt.Sprintf("%.1f", median(r.runs, func(o once) time.Duration { return o.wall }).Seconds()), ""}
		var cpus, documents []string
		for _, o := range r.runs {
			cpus = append(cpus, fmt.Sprintf("%.2f", o.cpu.Seconds()))
			documents = append(documents, fmt.Sprint(o.documents()))
		}
		row[2] = strings.Join(cpus, " ")
		row[7] = strings.Join(slices.Compact(documents), " ")
		if null != nil && r != null {
			row[3] = fmt.Sprintf("%.2f", above(r))
			if base != nil && above(base) > 0 {
				row[4] = fmt.Sprintf("%.2f", above(r)/above(base))
			}
		}
		rows = append(rows, row)
	}
	fmt.Fprintf(w, "%d lines, %.0f MB, medians of %d rounds\n\n", stats.Lines, float64(stats.Bytes)/1e6, len(results[0].runs))
	for i, row := range rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row[:], " | "))
		if i == 0 {
			fmt.Fprintf(w, "|%s\n", strings.Repeat(" --- |", columns))
		}
	}
}

// verify says what is wrong with the figures: they count only when every line
// was delivered once, and seclog's only when it redacted.
func verify(results []result, stats corpus.Stats) error {
	var errs []error
	for _, r := range results {
		for i, o := range r.runs {
			wrong := func(format string, args ...any) {
				errs = append(errs, fmt.Errorf("%s, round %d: %s", r.output.name, i+1, fmt.Sprintf(format, args...)))
			}
			if o.documents() != stats.Lines {
				wrong("%d documents for %d lines", o.documents(), stats.Lines)
			}
			if o.sunk == nil {
				continue
			}
			if r.output.plugin == "seclog" && o.sunk.IDs != stats.Lines {
				wrong("%d different _ids for %d lines", o.sunk.IDs, stats.Lines)
			}
			if r.output.redacts() && o.sunk.Needles != 0 {
				wrong("%d of %d planted keys came through", o.sunk.Needles, stats.Keys)
			}
			if r.output.plugin == "opensearch" && o.documents() == stats.Lines && o.sunk.Needles != stats.Keys {
				wrong("%d planted keys arrived, %d were written: the check for keys does not see them", o.sunk.Needles, stats.Keys)
			}
		}
	}
	return errors.Join(errs...)
}

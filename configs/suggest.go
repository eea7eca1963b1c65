package configs

import "strings"

// didYouMean returns a hint that names the candidate nearest to got, or "" where
// none is near.
func didYouMean(got string, candidates []string) string {
	if best := nearest(got, candidates); best != "" {
		return "did you mean " + best + "?"
	}
	return ""
}

// nearest returns the candidate with the smallest edit distance, if it is at
// most a third of the longer word. Hyphens count as underscores and case does
// not count.
func nearest(got string, candidates []string) string {
	if len(got) > 64 {
		return ""
	}
	fold := strings.ReplaceAll(strings.ToLower(got), "-", "_")
	best, least := "", 1000
	for _, c := range candidates {
		if d := distance(fold, c); d < least && d*3 <= max(len(fold), len(c)) {
			best, least = c, d
		}
	}
	return best
}

// distance counts the insertions, deletions, changes and swaps of neighbours
// that make b of a.
func distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := prev[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(prev[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}

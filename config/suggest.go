package config

import "strings"

// maxSuggestDistance bounds how many edits away a name may lie and still be offered.
const maxSuggestDistance = 3

// suggest returns the known directive nearest to name, or "" when none is near enough to be what was meant.
// At most a third of the letters may differ, so that short words do not match everything.
func suggest(name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	if len(name) > maxNameLen {
		return ""
	}
	best, bestDistance := "", min(maxSuggestDistance, max(1, len(name)/3))+1
	for _, candidate := range allNames {
		if d := editDistance(name, candidate); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
func editDistance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}

// didYouMean is the remedy for an unknown name.
func didYouMean(name, format string) string {
	if s := suggest(name); s != "" {
		return "did you mean " + strings.ReplaceAll(format, "%s", s) + "?"
	}
	return "no directive of redis.conf or of replogd has this name; remove it"
}

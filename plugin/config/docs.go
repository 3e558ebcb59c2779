package config

import (
	"fmt"
	"strings"
)

// Begin and End stand around the part of the README that Markdown prints.
const (
	Begin = "<!-- config:begin -->"
	End   = "<!-- config:end -->"
)

// Markdown gives the options as tables, one a group, for the README.
func Markdown() string {
	var b strings.Builder
	later := 0
	group := Group("")
	for _, k := range table() {
		if k.Group != group {
			group = k.Group
			fmt.Fprintf(&b, "\n### %s\n\n| key | default | what it does |\n| --- | --- | --- |\n", group)
		}
		doc := k.Doc
		if k.Status == Later {
			later++
			doc += " *Not yet supported: anything but the default stops the start.*"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, defaultCell(k), cell(doc))
	}
	b.WriteString("\n### Keys of Fluent Bit's own output that are refused\n\n| key | instead |\n| --- | --- |\n")
	for _, f := range foreignKeys() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name, cell(f.Hint))
	}
	intro := "Keys are the same in upper and lower case. A value that cannot be used stops the start, and the message names every such key. " +
		"Sizes are `512k`, `5M`, `1G` (powers of 1000); durations are `200ms`, `30s`, `15m`, `30d`, and a bare number is seconds; yes and no are `On` and `Off`.\n"
	return intro + b.String()
}

func defaultCell(k Key) string {
	switch {
	case k.Required != "":
		return "**required**"
	case k.Default == "":
		return ""
	}
	return "`" + strings.ReplaceAll(k.Default, "|", `\|`) + "`"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// Splice gives readme with what stands between the markers replaced by
// Markdown's tables.
//
// Errors: the markers are not there, or not once each and in order.
func Splice(readme string) (string, error) {
	head, rest, ok := strings.Cut(readme, Begin)
	_, tail, closed := strings.Cut(rest, End)
	if !ok || !closed || strings.Contains(rest, Begin) || strings.Contains(tail, End) {
		return "", fmt.Errorf("the markers %s and %s do not stand there once each, in this order", Begin, End)
	}
	return head + Begin + "\n" + Markdown() + "\n" + End + tail, nil
}

package main

import (
	"html/template"
	"os"
)

// chart is the bars of one table, as SVG.
type chart struct {
	Title  string
	Color  string
	Bars   []svgBar
	Height int
}

type svgBar struct {
	Name     string
	N        int
	Y, Width int
	TextY    int
}

func newChart(title, color string, rows []count) chart {
	const step, width, most = 24, 420, 25
	if len(rows) > most {
		rows = rows[:most]
	}
	c := chart{Title: title, Color: color, Height: len(rows)*step + 4}
	for i, r := range rows {
		c.Bars = append(c.Bars, svgBar{Name: r.Name, N: r.N, Y: i*step + 3, TextY: i*step + 17, Width: max(2, r.N*width/max(rows[0].N, 1))})
	}
	return c
}

// html writes the summary as one page that needs nothing else.
func (s *summary) html(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = page.Execute(f, struct {
		*summary
		Charts []chart
	}{s, []chart{
		newChart("Detections by rule", "#b4442c", s.Rules),
		newChart("By ATT&CK technique", "#8a5a13", s.Techniques),
		newChart("Redactions by detector", "#1f6f78", s.Detectors),
		newChart("Documents by log", "#4a5568", s.Files),
	}})
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Seclog: what arrived</title>
<style>
:root{color-scheme:light dark;--ink:#1a202c;--dim:#5a6577;--paper:#fbfaf7;--card:#fff;--line:#e3dfd6}
@media(prefers-color-scheme:dark){:root{--ink:#e8e6e1;--dim:#9aa4b2;--paper:#15181d;--card:#1d2128;--line:#2e343d}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;max-width:1080px;padding:2rem 1rem}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.05rem;margin:0 0 .5rem}p{color:var(--dim);margin:.25rem 0 1.25rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.75rem;margin-bottom:1rem}
.tile,section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem}
.tile b{display:block;font-size:1.6rem;line-height:1.2}.tile span{color:var(--dim)}
section{margin-bottom:1rem;overflow-x:auto}svg text{font:13px system-ui,sans-serif;fill:var(--ink)}
pre{white-space:pre-wrap;word-break:break-all;font:12px/1.45 ui-monospace,monospace;margin:.25rem 0 .75rem;padding:.6rem;border-left:3px solid var(--line)}
pre.after{border-color:#1f6f78}.bad{color:#b4442c}
</style>
<h1>What was tagged, redacted and delivered</h1>
<p>Log lines of {{len .Files}} workloads with planted attacks and secrets, sent through the plugin; every number was read back from OpenSearch.</p>
<div class="tiles">
<div class="tile"><b>{{.Documents}}</b><span>of {{.Lines}} lines indexed</span></div>
<div class="tile"><b>{{.Dead}}</b><span>dead letters</span></div>
<div class="tile"><b>{{len .Left}}</b><span>of {{.Planted}} planted secrets in the index</span></div>
<div class="tile"><b>{{len .Missed}}</b><span>of {{.Attacks}} planted attacks untagged</span></div>
</div>
{{range .Charts}}<section><h2>{{.Title}}</h2>{{$c := .Color}}
<svg width="900" height="{{.Height}}" role="img" aria-label="{{.Title}}">{{range .Bars}}<text x="0" y="{{.TextY}}">{{.Name}}</text><rect x="400" y="{{.Y}}" width="{{.Width}}" height="18" rx="2" fill="{{$c}}"/><text x="{{.Width}}" dx="408" y="{{.TextY}}">{{.N}}</text>{{end}}</svg></section>
{{end}}<section><h2>Before and after</h2>
{{range .Examples}}<b>{{.Title}}</b><pre>{{.Before}}</pre><pre class="after">{{.After}}</pre>{{end}}</section>
{{if .Missed}}<section><h2 class="bad">Attacks without an alert</h2>{{range .Missed}}<div>{{.File}} line {{.Line}}: {{.Event}}</div>{{end}}</section>{{end}}
</html>
`))

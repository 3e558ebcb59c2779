package encode

import (
	"slices"
	"strconv"

	"github.com/seclog/seclog/plugin/detect"
)

// alert appends what the fired rules say, in ECS: event, rule, threat, tags.
// Nothing here comes from the record.
func (e *Encoder) alert(dst []byte, fired []int32) []byte {
	dst = e.name(dst, "event")
	dst = append(dst, `{"kind":"alert","severity":`...)
	dst = strconv.AppendInt(dst, int64(e.top(fired).Severity), 10)
	dst = e.strings(dst, fired, "category", func(r *detect.Rule, add func(string)) { addAll(add, r.Category) })
	dst = append(dst, '}')

	dst = e.name(dst, "rule")
	at := len(dst)
	dst = e.strings(dst, fired, "id", func(r *detect.Rule, add func(string)) { add(r.ID) })
	dst = e.strings(dst, fired, "name", func(r *detect.Rule, add func(string)) { add(r.Title) })
	dst = e.strings(dst, fired, "author", func(r *detect.Rule, add func(string)) { add(r.Author) })
	dst[at] = '{' // in place of the first comma
	dst = append(dst, '}')

	dst = e.threat(dst, fired)
	return e.strings(dst, fired, "tags", func(r *detect.Rule, add func(string)) { addAll(add, r.Tags) })
}

// top is the fired rule of the highest severity.
func (e *Encoder) top(fired []int32) *detect.Rule {
	top := e.cfg.Rules[fired[0]]
	for _, i := range fired {
		if e.cfg.Rules[i].Severity > top.Severity {
			top = e.cfg.Rules[i]
		}
	}
	return top
}

func (e *Encoder) threat(dst []byte, fired []int32) []byte {
	known := slices.ContainsFunc(fired, func(i int32) bool {
		return len(e.cfg.Rules[i].Tactics)+len(e.cfg.Rules[i].Techniques) > 0
	})
	if !known {
		return dst
	}
	dst = e.name(dst, "threat")
	dst = append(dst, `{"framework":"MITRE ATT&CK"`...)
	dst = e.attacks(dst, fired, "tactic", func(r *detect.Rule) []detect.Attack { return r.Tactics })
	dst = e.attacks(dst, fired, "technique", func(r *detect.Rule) []detect.Attack { return r.Techniques })
	return append(dst, '}')
}

// attacks appends ids and names of tactics or techniques, where there are any.
func (e *Encoder) attacks(dst []byte, fired []int32, key string, of func(*detect.Rule) []detect.Attack) []byte {
	start := len(dst)
	dst = e.name(dst, key)
	at := len(dst)
	dst = e.strings(dst, fired, "id", func(r *detect.Rule, add func(string)) {
		for _, a := range of(r) {
			add(a.ID)
		}
	})
	dst = e.strings(dst, fired, "name", func(r *detect.Rule, add func(string)) {
		for _, a := range of(r) {
			add(a.Name)
		}
	})
	if len(dst) == at {
		return dst[:start]
	}
	dst[at] = '{'
	return append(dst, '}')
}

// strings appends a key with the distinct strings that the fired rules give,
// in their order; nothing where they give none.
func (e *Encoder) strings(dst []byte, fired []int32, key string, of func(*detect.Rule, func(string))) []byte {
	e.list = e.list[:0]
	add := func(s string) {
		if s != "" && !slices.Contains(e.list, s) {
			e.list = append(e.list, s)
		}
	}
	for _, i := range fired {
		of(e.cfg.Rules[i], add)
	}
	if len(e.list) == 0 {
		return dst
	}
	dst = e.name(dst, key)
	for i, s := range e.list {
		if i == 0 {
			dst = append(dst, '[')
		} else {
			dst = append(dst, ',')
		}
		dst = appendString(dst, []byte(s))
	}
	return append(dst, ']')
}

func addAll(add func(string), list []string) {
	for _, s := range list {
		add(s)
	}
}

// verdict appends "seclog": how often each detector cut something, and the
// highest level of the rules.
func (e *Encoder) verdict(dst []byte, in *Input) []byte {
	if len(in.Fired) == 0 && len(e.counted) == 0 {
		return dst
	}
	dst = e.name(dst, "seclog")
	at := len(dst)
	if len(e.counted) > 0 {
		dst = e.name(dst, "redacted")
		dst = e.redacted(dst)
	}
	if len(in.Fired) > 0 {
		dst = e.name(dst, "level")
		dst = appendString(dst, []byte(e.top(in.Fired).Level))
	}
	dst[at] = '{'
	return append(dst, '}')
}

// redacted appends how often each detector cut something, in the order of the
// detectors.
func (e *Encoder) redacted(dst []byte) []byte {
	clear(e.counts)
	for i := range e.counted {
		e.counts[e.counted[i].Detector]++
	}
	at := len(dst)
	for d, n := range e.counts {
		if n > 0 {
			dst = append(dst, ',')
			dst = appendString(dst, []byte(e.cfg.Detectors[d]))
			dst = append(dst, ':')
			dst = strconv.AppendInt(dst, int64(n), 10)
		}
	}
	dst[at] = '{'
	return append(dst, '}')
}

package redact

import (
	"github.com/seclog/seclog/plugin/scan"
)

// RunExamples asks every rule for its own examples: a match must be cut by the
// rule itself, from an ignore it must cut nothing. The whole set runs, as it
// does on records.
func (e *Engine) RunExamples() []error {
	var b scan.Builder
	own, err := Compile(e.files, e.keys, &b, e.options)
	if err != nil {
		return []error{err}
	}
	set := b.Build()
	var st State
	var errs []error
	for i := range own.rules {
		r := &own.rules[i]
		for _, x := range r.examples.match {
			if !own.cuts(&st, set, x, int32(i)) {
				errs = append(errs, r.place.errorf("%s does not find anything in its example %q", r.id, x))
			}
		}
		for _, x := range r.examples.ignore {
			if own.cuts(&st, set, x, int32(i)) {
				errs = append(errs, r.place.errorf("%s must leave its example %q alone, and cuts it", r.id, x))
			}
		}
	}
	return errs
}

// cuts says whether a rule cuts anything of a text.
func (e *Engine) cuts(st *State, set *scan.Set, text string, rule int32) bool {
	st.edits = Edits{List: st.edits.List[:0]}
	t := []byte(text)
	e.find(st, nil, t, set.Scan(t, nil))
	e.emit(st, 0, false, t)
	if st.edits.DropRecord && st.edits.DropBy == rule {
		return true
	}
	for _, x := range st.edits.List {
		if x.Detector == rule {
			return true
		}
	}
	return false
}

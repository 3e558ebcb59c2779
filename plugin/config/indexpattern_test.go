package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seclog/seclog/plugin/config"
)

func TestParseIndexPattern(t *testing.T) {
	lit := func(s string) config.IndexPart { return config.IndexPart{Literal: s} }
	at := func(s string) config.IndexPart { return config.IndexPart{Time: s} }
	field := func(p ...string) config.IndexPart { return config.IndexPart{Accessor: p} }
	for _, tc := range []struct {
		in   string
		want []config.IndexPart
		err  string
	}{
		{in: "web", want: []config.IndexPart{lit("web")}},
		{in: "s-%Y.%m", want: []config.IndexPart{lit("s-"), at("%Y"), lit("."), at("%m")}},
		{in: "s-$kubernetes['namespace_name']-%d", want: []config.IndexPart{lit("s-"), field("kubernetes", "namespace_name"), lit("-"), at("%d")}},
		{in: `s-$kubernetes["labels"]['app.io/name']`, want: []config.IndexPart{lit("s-"), field("kubernetes", "labels", "app.io/name")}},
		{in: "s-$app.%Y", want: []config.IndexPart{lit("s-"), field("app"), lit("."), at("%Y")}},
		{in: "a%%b", want: []config.IndexPart{lit("a%b")}},
		{in: "", err: "needs a name"},
		{in: "%", err: "at the end"},
		{in: "s-%B", err: "not supported"},
		{in: "s-%é", err: "not supported"},
		{in: "$app", err: "at the start"},
		{in: "s-$", err: "needs a field"},
		{in: "s-$TAG", err: "$TAG"},
		{in: "s-$k.ns", err: "not with a dot"},
		{in: "s-$k['ns'", err: "not closed"},
		{in: "s-$k['", err: "not closed"},
		{in: "s-$k['']", err: "not closed"},
		{in: "s-$k[ns]", err: "quoted key"},
		{in: "_s", err: "cannot begin"},
		{in: "a b", err: "cannot stand"},
		{in: "é", err: "ASCII"},
		{in: "..", err: "no index"},
		{in: strings.Repeat("a", 256), err: "longer"},
	} {
		p, err := config.ParseIndexPattern(tc.in)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%q: error %v, want in it %q", tc.in, err, tc.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tc.in, err)
			continue
		}
		if diff := cmp.Diff(tc.want, p.Parts); diff != "" {
			t.Errorf("%q: %s", tc.in, diff)
		}
	}
}

func FuzzParseIndexPattern(f *testing.F) {
	for _, s := range []string{"s-%Y", "s-$k['a']", "$", "%", "s-$k['", "a%%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := config.ParseIndexPattern(s)
		if err != nil {
			return
		}
		if len(p.Parts) == 0 || p.Parts[0].Accessor != nil {
			t.Fatalf("%q: a field at the start, or nothing", s)
		}
		for i, part := range p.Parts {
			set := 0
			for _, is := range []bool{part.Literal != "", part.Time != "", part.Accessor != nil} {
				if is {
					set++
				}
			}
			if set != 1 || i > 0 && part.Literal != "" && p.Parts[i-1].Literal != "" {
				t.Fatalf("%q: part %d is %+v", s, i, part)
			}
		}
	})
}

package detect

import (
	"errors"
	"fmt"
	"strings"
)

// maxNesting bounds parentheses and negations in a condition, which the parser
// follows by recursion.
const maxNesting = 100

// selections are the named parts of a rule's detection, in file order.
type selections struct {
	names []string
	exprs map[string]*expr
}

// conditionParser reads Sigma's condition language.
//
// Source: Sigma specification 2.1, "Condition".
type conditionParser struct {
	tokens []string
	at     int
	depth  int
	sel    *selections
}

// parseCondition reads a condition and gives the expression over the selections.
func parseCondition(text string, sel *selections) (*expr, error) {
	if strings.Contains(text, "|") {
		return nil, fmt.Errorf("condition %q uses an aggregation, which only correlation rules have", text)
	}
	p := conditionParser{tokens: conditionTokens(text), sel: sel}
	if len(p.tokens) == 0 {
		return nil, errors.New("the condition is empty")
	}
	e, err := p.or()
	if err != nil {
		return nil, fmt.Errorf("condition %q: %w", text, err)
	}
	if p.at < len(p.tokens) {
		return nil, fmt.Errorf("condition %q: %q is not expected there", text, p.tokens[p.at])
	}
	return e, nil
}

func conditionTokens(text string) []string {
	text = strings.ReplaceAll(text, "(", " ( ")
	text = strings.ReplaceAll(text, ")", " ) ")
	return strings.Fields(text)
}

func (p *conditionParser) word() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

// accept takes the next token when it is the given keyword.
func (p *conditionParser) accept(keyword string) bool {
	if strings.EqualFold(p.word(), keyword) {
		p.at++
		return true
	}
	return false
}

func (p *conditionParser) or() (*expr, error)  { return p.chain("or", exprOr, p.and) }
func (p *conditionParser) and() (*expr, error) { return p.chain("and", exprAnd, p.not) }

func (p *conditionParser) chain(keyword string, op exprOp, part func() (*expr, error)) (*expr, error) {
	first, err := part()
	if err != nil {
		return nil, err
	}
	kids := []*expr{first}
	for p.accept(keyword) {
		next, err := part()
		if err != nil {
			return nil, err
		}
		kids = append(kids, next)
	}
	if len(kids) == 1 {
		return first, nil
	}
	return &expr{op: op, kids: kids}, nil
}

func (p *conditionParser) not() (*expr, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d levels", maxNesting)
	}
	if p.accept("not") {
		e, err := p.not()
		if err != nil {
			return nil, err
		}
		return &expr{op: exprNot, kids: []*expr{e}}, nil
	}
	if p.accept("(") {
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.accept(")") {
			return nil, errors.New("a closing parenthesis is missing")
		}
		return e, nil
	}
	return p.primary()
}

func (p *conditionParser) primary() (*expr, error) {
	w := p.word()
	switch strings.ToLower(w) {
	case "":
		return nil, errors.New("it ends too early")
	case ")", "and", "or", "of", "them":
		return nil, fmt.Errorf("%q is not expected there", w)
	}
	p.at++
	if !p.accept("of") {
		if e, ok := p.sel.exprs[w]; ok {
			return e, nil
		}
		return nil, fmt.Errorf("there is no selection %q", w)
	}
	op := exprOr
	switch strings.ToLower(w) {
	case "1", "any":
	case "all":
		op = exprAnd
	default:
		return nil, fmt.Errorf("%q of is not allowed: 1, any or all", w)
	}
	pattern := p.word()
	p.at++
	if pattern == "" || pattern == "(" || pattern == ")" {
		return nil, errors.New("after \"of\" a selection or them is missing")
	}
	kids := p.sel.named(pattern)
	if len(kids) == 0 {
		return nil, fmt.Errorf("no selection is named %q", pattern)
	}
	return &expr{op: op, kids: kids}, nil
}

// named gives the selections that a pattern with '*' or "them" names. Names
// that begin with '_' are left out unless the pattern begins so itself.
func (s *selections) named(pattern string) []*expr {
	if strings.EqualFold(pattern, "them") {
		pattern = "*"
	}
	var out []*expr
	for _, name := range s.names {
		if strings.HasPrefix(name, "_") && !strings.HasPrefix(pattern, "_") {
			continue
		}
		if starMatch(pattern, name) {
			out = append(out, s.exprs[name])
		}
	}
	return out
}

// starMatch says whether name matches pattern, in which '*' stands for any text.
func starMatch(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	if !strings.HasPrefix(name, parts[0]) {
		return false
	}
	name = name[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
	return strings.HasSuffix(name, parts[len(parts)-1])
}

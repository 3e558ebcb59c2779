package detect

// Source is one file of rules or pipelines.
type Source struct {
	Name string // shown in refusals
	Data []byte
}

// Refusal says why a rule, a pipeline or an example cannot be used.
type Refusal struct {
	File   string
	Line   int
	Rule   string // the rule's id or title, as far as known
	Reason string
}

// Attack is a tactic or technique of MITRE ATT&CK. Name is empty where it is
// not known, ID where the tactic has none that is known.
type Attack struct{ ID, Name string }

// Logsource is where a rule's events come from; an empty part is not given.
type Logsource struct{ Category, Product, Service string }

// Examples are records on which a rule must fire and must not fire.
type Examples struct{ Match, Ignore []Example }

// Example is one record of a rule's examples.
type Example struct {
	Line int
	Body []byte // the record's body as msgpack
}

// Rule is one Sigma rule that is in use.
//
// Concurrency: it never changes.
type Rule struct {
	ID          string // the title where the file gives no id
	Title       string
	Author      string
	Description string
	Status      string
	License     string
	References  []string
	Level       string // informational, low, medium, high or critical
	Severity    int    // 1, 21, 47, 73 or 99
	Tags        []string
	Category    []string // ECS event.category, from the rule's own seclog.category
	Tactics     []Attack
	Techniques  []Attack
	Logsource   Logsource
	Examples    Examples
	File        string
	Line        int
}

// defaultLevel is what a rule without level gets.
const defaultLevel = "medium"

// severity gives the number of a level; false means that there is no such level.
func severity(level string) (int, bool) {
	switch level {
	case "informational":
		return 1, true
	case "low":
		return 21, true
	case "medium":
		return 47, true
	case "high":
		return 73, true
	case "critical":
		return 99, true
	}
	return 0, false
}

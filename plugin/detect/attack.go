package detect

import "strings"

// tactic gives a tactic of MITRE ATT&CK for Enterprise, version 19, which
// split defense evasion into stealth (which kept the id) and defense impairment.
//
// Source: attack.mitre.org/tactics/enterprise.
func tactic(name string) (Attack, bool) {
	switch name {
	case "reconnaissance":
		return Attack{"TA0043", "Reconnaissance"}, true
	case "resource-development":
		return Attack{"TA0042", "Resource Development"}, true
	case "initial-access":
		return Attack{"TA0001", "Initial Access"}, true
	case "execution":
		return Attack{"TA0002", "Execution"}, true
	case "persistence":
		return Attack{"TA0003", "Persistence"}, true
	case "privilege-escalation":
		return Attack{"TA0004", "Privilege Escalation"}, true
	case "stealth":
		return Attack{"TA0005", "Stealth"}, true
	case "defense-evasion": // the name before version 19, for rules that still have it
		return Attack{"TA0005", "Defense Evasion"}, true
	case "defense-impairment":
		return Attack{"TA0112", "Defense Impairment"}, true
	case "credential-access":
		return Attack{"TA0006", "Credential Access"}, true
	case "discovery":
		return Attack{"TA0007", "Discovery"}, true
	case "lateral-movement":
		return Attack{"TA0008", "Lateral Movement"}, true
	case "collection":
		return Attack{"TA0009", "Collection"}, true
	case "command-and-control":
		return Attack{"TA0011", "Command and Control"}, true
	case "exfiltration":
		return Attack{"TA0010", "Exfiltration"}, true
	case "impact":
		return Attack{"TA0040", "Impact"}, true
	}
	return Attack{}, false
}

// attackTag reads a tag: "attack." with a tactic's name or a technique's id.
// Other tags (groups, software, CVE numbers) give neither.
func attackTag(tag string) (tac, technique Attack) {
	name, ok := strings.CutPrefix(strings.ToLower(tag), "attack.")
	if !ok {
		return
	}
	if t, ok := tactic(strings.ReplaceAll(name, "_", "-")); ok {
		return t, Attack{}
	}
	if isTechnique(name) {
		return Attack{}, Attack{ID: strings.ToUpper(name)}
	}
	return
}

// isTechnique says whether s has the form t1234 or t1234.567.
func isTechnique(s string) bool {
	main, sub, hasSub := strings.Cut(s, ".")
	return len(main) == 5 && main[0] == 't' && digits(main[1:]) && (!hasSub || len(sub) == 3 && digits(sub))
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

package deliver

import (
	"fmt"
	"strings"
	"testing"
)

// advising is a destination that knows what to do about one kind.
type advising struct{ Destination }

func (advising) Advise(kind string, status int) string {
	if kind == "locked" {
		return fmt.Sprint("unlock it, says ", status)
	}
	return ""
}

func TestDeliverer_LinesEndWithWhatToDo(t *testing.T) {
	var lines []string
	d, err := New(Options{Destination: advising{}, Log: func(line string) { lines = append(lines, line) }})
	if err != nil {
		t.Fatal(err)
	}
	d.Reporter().Report("a", "locked", 403, 2)
	d.Reporter().Aside("b", "locked", 400, 1)
	d.Reporter().Report("", "odd", 0, 3)
	want := []string{
		"index a: locked (status 403), 2 documents since the last such line; to do: unlock it, says 403",
		"dead letters: locked (status 400) in index b, 1 records; to do: unlock it, says 400",
		"destination: odd, 3 documents wait",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
}

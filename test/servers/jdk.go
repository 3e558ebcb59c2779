package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// jdk is a Java development kit.
type jdk struct {
	home  string
	major int
}

func (j jdk) tool(name string) string { return filepath.Join(j.home, "bin", name) }

// env is the environment in which scripts and Maven find this kit first.
func (j jdk) env() []string {
	return append(os.Environ(), "JAVA_HOME="+j.home, "PATH="+filepath.Join(j.home, "bin")+":"+os.Getenv("PATH"))
}

// findJDK looks for a kit of a version or newer: the java on the PATH, JAVA_HOME, and what is installed below
// /usr/lib/jvm, in this order, so that the machine's default is used where it will do.
//
// *Errors:* what is needed, and which versions were found instead.
func findJDK(oldest int) (jdk, error) {
	var found []string
	tried := map[string]bool{}
	for _, home := range jdkHomes() {
		home, err := filepath.EvalSymlinks(home)
		if err != nil || tried[home] {
			continue
		}
		tried[home] = true
		j, err := readJDK(home)
		if err != nil {
			continue
		}
		if j.major >= oldest {
			return j, nil
		}
		if text := strconv.Itoa(j.major); !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	if len(found) == 0 {
		return jdk{}, fmt.Errorf("needs JDK %d or newer, found none", oldest)
	}
	return jdk{}, fmt.Errorf("needs JDK %d or newer, found %s", oldest, strings.Join(found, ", "))
}

// jdkHomes are the places where a kit may be.
func jdkHomes() []string {
	var homes []string
	if path, err := exec.LookPath("java"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			homes = append(homes, filepath.Dir(filepath.Dir(path)))
		}
	}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		homes = append(homes, home)
	}
	installed, err := filepath.Glob("/usr/lib/jvm/*")
	if err != nil {
		return homes
	}
	return append(homes, installed...)
}

// readJDK asks the kit at home for its version. A bare runtime is no kit.
func readJDK(home string) (jdk, error) {
	j := jdk{home: home}
	for _, tool := range []string{"java", "javac", "jar"} {
		if _, err := exec.LookPath(j.tool(tool)); err != nil {
			return jdk{}, err
		}
	}
	out, err := exec.Command(j.tool("java"), "-version").CombinedOutput()
	if err != nil {
		return jdk{}, fmt.Errorf("java -version failed: %w", err)
	}
	j.major, err = javaMajor(string(out))
	return j, err
}

var javaVersion = regexp.MustCompile(`version "(\d+)(?:\.(\d+))?`)

// javaMajor reads the major version out of what java -version prints; 1.8 is 8.
func javaMajor(text string) (int, error) {
	m := javaVersion.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("java -version says no version: %q", text)
	}
	if m[1] == "1" {
		return strconv.Atoi(m[2])
	}
	return strconv.Atoi(m[1])
}

package config

import (
	"fmt"
	"io"
)

const mask = "***"

// Secret is a value that cannot be printed by mistake: every way of formatting
// or marshalling it gives "***", and only Reveal gives the value.
type Secret struct{ value string }

// NewSecret makes a Secret of a value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal gives the value itself.
func (s Secret) Reveal() string { return s.value }

// IsZero says whether there is no value.
func (s Secret) IsZero() bool { return s.value == "" }

// String gives the mask.
func (s Secret) String() string { return mask }

// GoString gives the mask, for %#v.
func (s Secret) GoString() string { return mask }

// MarshalText gives the mask, for JSON, YAML and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// Format writes the mask, whatever the verb: without it %d or %x would reach
// the field.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

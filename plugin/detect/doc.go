// Package detect says what a record means for security: it evaluates Sigma
// rules on records.
//
// It takes rule files, pipeline files (which records are which log source, and
// where its fields are) and a scan.Builder, and gives an Engine that names the
// rules that fire on a record. Rules cost nothing where they cannot fire: a
// record must first be a rule's log source, and then hold one of the literals
// that the rule cannot do without, which the one scan of all rules finds.
//
//	engine, refused := detect.Compile(rules, pipelines, builder, detect.Options{})
//	engine.Bind(builder.Build())
//	for _, i := range engine.Detect(&state, rec, found) { engine.Rules()[i]… }
//
// A rule that is not understood whole is refused whole, with file, line and
// reason: a rule that is half understood would stay silent or cry wolf.
package detect

package transform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

const (
	javaPackage = "org.apache.kafka.connect.transforms."
	version     = "4.3.1" // of the Kafka Connect that the transforms follow; transforms.<name>.plugin.version asks for it
)

// Descriptors lists the transforms of this package: Kafka Connect's, our own, and those of others.
func Descriptors() []plugin.Descriptor { return slices.Concat(kafkaConnects(), ownOnes(), ofOthers()) }

func kafkaConnects() []plugin.Descriptor {
	return []plugin.Descriptor{
		aimed("cast", "Cast", "Changes the type of fields, or of the whole key or value.", plugin.SpecOf(castDefaults), paths(newCast, listed("spec"))),
		whole("drop", "Filter", "Drops every record that reaches it: it stands behind a predicate.", plugin.Spec{}, newDrop),
		whole("drop_headers", "DropHeaders", "Removes headers.", plugin.SpecOf(dropHeadersConfig{}), newDropHeaders),
		aimed("extract_field", "ExtractField", "Replaces the key or the value by one of its fields.",
			plugin.SpecOf(extractFieldDefaults), newExtractField),
		aimed("flatten", "Flatten", "Makes one struct or map of structs or maps within each other.",
			plugin.SpecOf(flattenDefaults), newFlatten),
		aimed("header_from", "HeaderFrom", "Moves or copies fields into headers.",
			plugin.SpecOf(headerFromDefaults), newHeaderFrom),
		aimed("hoist_field", "HoistField", "Wraps the key or the value into a struct, or a map, of one field.",
			plugin.SpecOf(hoistFieldConfig{}), newHoistField),
		aimed("insert_field", "InsertField", "Adds fields with the record's topic, partition, offset or timestamp, or a fixed text.",
			plugin.SpecOf(insertFieldDefaults), paths(newInsertField, insertPaths)),
		whole("insert_header", "InsertHeader", "Adds a header with a fixed content.",
			plugin.SpecOf(insertHeaderConfig{}), newInsertHeader),
		aimed("mask_field", "MaskField", "Replaces the content of fields by the zero of their type, or by a fixed text or number.",
			plugin.SpecOf(maskFieldDefaults), paths(newMaskField, listed("fields"))),
		whole("regex_router", "RegexRouter", "Gives records another topic, made of their topic by a regular expression.",
			plugin.SpecOf(regexRouterConfig{}), newRegexRouter),
		aimed("replace_field", "ReplaceField", "Removes and renames fields.", plugin.SpecOf(replaceFieldDefaults), paths(newReplaceField, replacePaths)),
		aimed("set_schema_metadata", "SetSchemaMetadata", "Sets the name and the version of the schema.",
			plugin.SpecOf(setSchemaMetadataDefaults), newSetSchemaMetadata),
		aimed("timestamp_converter", "TimestampConverter", "Changes how a timestamp is written: as a text, a number, a date, a time or a timestamp.",
			plugin.SpecOf(timestampConverterDefaults), paths(newTimestampConverter, timestampPaths)),
		whole("timestamp_router", "TimestampRouter", "Gives records another topic, made of their topic and timestamp.",
			plugin.SpecOf(timestampRouterDefaults), newTimestampRouter),
		whole("value_to_key", "ValueToKey", "Makes the key of fields of the value.", plugin.SpecOf(valueToKeyDefaults), newValueToKey),
	}
}

func ownOnes() []plugin.Descriptor {
	return []plugin.Descriptor{
		ours(aimed("set", "Set", "Sets a field to what an expression gives.", plugin.SpecOf(setConfig{}), newSet)),
		ours(aimed("keep", "Keep", "Keeps the fields whose name matches a regular expression.", plugin.SpecOf(patternConfig{}), newKeep)),
		ours(aimed("remove", "Remove", "Removes the fields whose name matches a regular expression.", plugin.SpecOf(patternConfig{}), newRemove)),
		ours(aimed("rename", "Rename", "Renames the fields whose name matches a regular expression.", plugin.SpecOf(renameConfig{}), newRename)),
		ours(whole("route", "Route", "Gives records the topic, key, partition or timestamp that expressions give.", plugin.SpecOf(routeConfig{}), newRoute)),
		ours(whole("split", "Split", "Makes a record of every element of a list.", plugin.SpecOf(splitConfig{}), newSplit)),
		ours(whole("dedupe", "Dedupe", "Drops records that came not long before.", plugin.SpecOf(dedupeDefaults), newDedupe)),
	}
}

func ofOthers() []plugin.Descriptor {
	return []plugin.Descriptor{
		theirs(whole("unwrap", "ExtractNewRecordState", "Makes of Debezium's event about a row the row.", plugin.SpecOf(unwrapDefaults), newUnwrap), debezium, "3.0.0"),
		theirs(whole("by_logical_table", "ByLogicalTableRouter", "Gives Debezium's events of tables with the same columns one topic.",
			plugin.SpecOf(logicalTableDefaults), newLogicalTable), debezium, "3.0.0"),
		theirs(whole("outbox", "outbox.EventRouter", "Makes of a row that was added to an outbox table the event.", plugin.SpecOf(outboxDefaults), newOutbox), debezium, "3.0.0"),
		theirs(whole("open_lineage", "openlineage.OpenLineage", "Tells a lineage service of topics and their schemas; records pass as they are.", plugin.SpecOf(openLineageDefaults), newOpenLineage), debezium, "3.6.2"),
		theirs(aimed("concat_fields", "ConcatFields", "Joins fields to a text in a field of its own.", plugin.SpecOf(concatConfig{}), newConcatFields), aiven, "1.6.0"),
		theirs(aimed("extract_timestamp", "ExtractTimestamp", "Makes a field the record's timestamp.", plugin.SpecOf(extractTimestampDefaults), newExtractTimestamp), aiven, "1.6.0"),
		theirs(aimed("aiven_extract_topic", "ExtractTopic", "Makes a field the record's topic.", plugin.SpecOf(extractTopicConfig{}), newExtractTopic(false)), aiven, "1.6.0"),
		theirs(whole("aiven_tombstone_handler", "TombstoneHandler", "Says what becomes of records without a value.", plugin.SpecOf(tombstoneConfig{}), newTombstones(false)), aiven, "1.6.0"),
		theirs(aimed("case_transform", "CaseTransform", "Writes the text of fields in lower or upper case.", plugin.SpecOf(caseTransformConfig{}), newCaseTransform), aiven, "1.6.0"),
		theirs(aimed("topic_from_schema_name", "ExtractTopicFromSchemaName", "Makes the name of a schema the record's topic.", plugin.SpecOf(topicFromSchemaNameConfig{}), newTopicFromSchemaName), aiven, "1.6.0"),
		theirs(aimed("filter_by_field_value", "FilterByFieldValue", "Keeps or drops records by what a field is.", plugin.SpecOf(filterByFieldValueDefaults), newFilterByFieldValue), aiven, "1.6.0"),
		theirs(aimed("hash", "Hash", "Replaces a text by its hash.", plugin.SpecOf(hashConfig{}), newHash), aiven, "1.6.0"),
		theirs(whole("key_to_value", "KeyToValue", "Copies fields of the key, or all of it, into the value.", plugin.SpecOf(keyToValueConfig{}), newKeyToValue), aiven, "1.6.0"),
		theirs(whole("make_tombstone", "MakeTombstone", "Makes the value null.", plugin.Spec{}, newMakeTombstone), aiven, "1.6.0"),
		theirs(aimed("extract_topic", "ExtractTopic", "Makes a field the record's topic.", plugin.SpecOf(confluentTopicDefaults), newExtractTopic(true)), confluent, "1.4.0"),
		theirs(whole("extract_topic_from_header", "ExtractTopic$Header", "Makes a header the record's topic.", plugin.SpecOf(headerTopicDefaults), newHeaderTopic), confluent, "1.4.0"),
		theirs(aimed("json_path_filter", "Filter", "Keeps or drops records by a JSONPath.", plugin.SpecOf(jsonPathFilterDefaults), newJSONPathFilter), confluent, "1.4.0"),
		theirs(whole("message_timestamp_router", "MessageTimestampRouter", "Gives records another topic, made of their topic and a timestamp in their value.", plugin.SpecOf(messageTimestampRouterDefaults), newMessageTimestampRouter), confluent, "1.4.0"),
		theirs(aimed("nullify", "Drop", "Makes the key or the value null.", plugin.SpecOf(nullifyDefaults), newNullify), confluent, "1.4.0"),
		theirs(whole("tombstone_handler", "TombstoneHandler", "Says what becomes of records without a value.", plugin.SpecOf(confluentTombstoneDefaults), newTombstones(true)), confluent, "1.4.0"),
		theirs(aimed("change_case", "ChangeCase", "Writes the names of fields in another way.", plugin.SpecOf(changeCaseConfig{}), newChangeCase), jcustenborder, "0.1.0"),
		theirs(whole("change_topic_case", "ChangeTopicCase", "Writes the name of the topic in another way.", plugin.SpecOf(changeCaseConfig{}), newChangeTopicCase), jcustenborder, "0.1.0"),
		theirs(whole("timestamp_now", "TimestampNow", "Makes the time of the day the record's timestamp.", plugin.Spec{}, newTimestampNow), jcustenborder, "0.1.0"),
		theirs(aimed("timestamp_now_field", "TimestampNowField", "Puts the time of the day into fields.", plugin.SpecOf(timestampNowFieldConfig{}), newTimestampNowField), jcustenborder, "0.1.0"),
		theirs(aimed("insert_uuid", "InsertUuid", "Adds a field with a random identifier.", plugin.SpecOf(insertUUIDDefaults), newInsertUUID), cjmatta, "1.0.0"),
	}
}

// Packages of transforms of others.
const (
	debezium      = "io.debezium.transforms."
	aiven         = "io.aiven.kafka.connect.transforms."
	confluent     = "io.confluent.connect.transforms."
	jcustenborder = "com.github.jcustenborder.kafka.connect.transform.common."
	cjmatta       = "com.github.cjmatta.kafka.connect.smt."
)

// theirs makes a transform one of another package, of which it follows a version.
func theirs(d plugin.Descriptor, pkg, version string) plugin.Descriptor {
	d.Class = pkg + strings.TrimPrefix(d.Class, javaPackage)
	d.Version = version
	return d
}

// ours makes a transform one that Kafka Connect has nothing like.
func ours(d plugin.Descriptor) plugin.Descriptor {
	d.Class = "penstock.transforms." + strings.TrimPrefix(d.Class, javaPackage)
	d.Version = "1.0.0"
	return d
}

// aimed describes a transform of the key or the value.
func aimed(name, class, doc string, spec plugin.Spec, make func(plugin.Target) plugin.Transform) plugin.Descriptor {
	d := whole(name, class, doc, spec, make)
	d.Targets = true
	return d
}

// whole describes a transform of the whole record.
func whole(name, class, doc string, spec plugin.Spec, make func(plugin.Target) plugin.Transform) plugin.Descriptor {
	return plugin.Descriptor{Name: name, Class: javaPackage + class, Version: version, Doc: doc, Spec: spec, NewTransform: make}
}

// single is the Apply of a transform that looks at one record at a time. The function is kept, so that a batch costs no
// closure.
type single struct {
	batch *record.Batch // the one at hand, only during Apply
	each  func(i int, r *record.Record) error
}

// Apply implements [plugin.Transform].
func (s *single) Apply(_ context.Context, b *record.Batch) error {
	s.batch = b
	b.Each(s.each)
	s.batch = nil
	return nil
}

// part is the key or the value of a record, whichever the transform is aimed at.
func part(t plugin.Target, r *record.Record) *record.Datum {
	if t == plugin.Key {
		return &r.Key
	}
	return &r.Value
}

// structFields are the fields of a value that must be a struct; purpose is what for (Kafka Connect:
// Requirements.requireStruct).
func structFields(d *record.Datum, purpose string) ([]record.Value, error) {
	if fields, ok := d.Value.Fields(); ok && d.Schema.Kind == record.Struct {
		return fields, nil
	}
	return nil, notA("Struct objects supported", d.Value, purpose)
}

// mapEntries are the keys and values of a value that must be a map (Kafka Connect: Requirements.requireMap).
func mapEntries(v record.Value, purpose string) ([]record.Value, error) {
	if v.Kind() != record.Map {
		return nil, notA("Map objects supported in absence of schema", v, purpose)
	}
	return v.Elements(), nil
}

func notA(wanted string, v record.Value, purpose string) error {
	return plugin.Data("Only %s for [%s], found: %s", wanted, purpose, v.Kind().JavaClass())
}

// nullable says where a null of a struct needs a look: fields that have a default or may not be null. It holds indices.
type nullable []int

func nullableOf(fields []record.Field) (at nullable) {
	for i, f := range fields {
		if f.Schema.HasDefault || !f.Schema.Optional {
			at = append(at, i)
		}
	}
	return at
}

// fill does to fields copied from another struct what Kafka Connect's Struct does on reading and writing: where replace
// is set a null becomes the field's default, and a null that is left must be allowed.
func (at nullable) fill(fields []record.Field, values []record.Value, replace bool) error {
	if !at.anyNull(values) {
		return nil
	}
	return at.fillNulls(fields, values, replace)
}

func (at nullable) anyNull(values []record.Value) bool {
	for _, i := range at {
		if values[i].IsNull() {
			return true
		}
	}
	return false
}

// fillNulls is fill where there are nulls, which is rare.
func (at nullable) fillNulls(fields []record.Field, values []record.Value, replace bool) error {
	for _, i := range at {
		if !values[i].IsNull() {
			continue
		}
		switch s := fields[i].Schema; {
		case replace && s.HasDefault:
			values[i] = s.Default
		case !s.Optional:
			return nullForRequired(fields[i])
		}
	}
	return nil
}

func nullForRequired(f record.Field) error {
	return inField(plugin.Data("Invalid value: null used for required field: %q, schema type: %s", f.Name, f.Schema.Kind), f.Name)
}

// inField names the field at whose content a transform failed, behind the ones that it is in.
func inField(err error, path ...string) error {
	e, ok := errors.AsType[*plugin.DataError](err)
	if !ok || len(path) == 0 {
		return err
	}
	in := *e
	in.Field = strings.Join(path, ".")
	if e.Field != "" {
		in.Field += "." + e.Field
	}
	return &in
}

// built ends the building of a schema that comes out of a transform.
func built(b *record.Builder) (*record.Schema, error) {
	s, err := b.Build()
	if err != nil {
		return nil, &plugin.DataError{Reason: err.Error(), Err: fmt.Errorf("build the schema that comes out: %w", err)}
	}
	return s, nil
}

// setEntry puts an entry into the first n values of a map's entries, in place of one with the same key or behind the last one,
// and returns how many values there are then. It needs room for one entry.
func setEntry(entries []record.Value, n int, key, value record.Value) int {
	name := key.Text()
	for i := 0; i < n; i += 2 {
		if entries[i].Kind() == record.String && entries[i].Text() == name {
			entries[i+1] = value
			return n
		}
	}
	entries[n], entries[n+1] = key, value
	return n + 2
}

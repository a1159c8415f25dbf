package transform

import (
	"encoding/json"
	"time"

	"github.com/penstock/penstock/engine/record"
)

// lineageJob is what every event says of the job.
type lineageJob struct {
	namespace, name, description string
	kafka                        string      // namespace of datasets
	tags, owners                 [][2]string // name and value, name and role
}

// Events and facets of OpenLineage 2-0-2 (https://openlineage.io/spec), those that Debezium's have. Names are the
// specification's.
const (
	lineageProducer = "https://github.com/penstock/penstock"
	lineageSchemas  = "https://openlineage.io/spec/"
)

type lineageEvent struct {
	Time      string          `json:"eventTime"`
	Producer  string          `json:"producer"`
	SchemaURL string          `json:"schemaURL"`
	Type      string          `json:"eventType"`
	Run       lineageRunBody  `json:"run"`
	Job       lineageJobBody  `json:"job"`
	Inputs    []lineageSource `json:"inputs"`
	Outputs   []lineageSource `json:"outputs"`
}

type lineageRunBody struct {
	ID     string         `json:"runId"`
	Facets map[string]any `json:"facets"`
}

type lineageJobBody struct {
	Namespace string         `json:"namespace"`
	Name      string         `json:"name"`
	Facets    map[string]any `json:"facets"`
}

// lineageSource is a dataset that is read or written.
type lineageSource struct {
	Namespace string         `json:"namespace"`
	Name      string         `json:"name"`
	Facets    map[string]any `json:"facets"`
}

// facet is what all facets have.
type facet struct {
	Producer  string `json:"_producer"`
	SchemaURL string `json:"_schemaURL"`
}

func facetOf(version, name string) facet {
	return facet{lineageProducer, lineageSchemas + "facets/" + version + "/" + name + ".json#/$defs/" + name}
}

type schemaFacet struct {
	facet
	Fields []lineageField `json:"fields"`
}

type lineageField struct {
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	Description string         `json:"description,omitempty"`
	Fields      []lineageField `json:"fields,omitempty"`
}

type datasetTypeFacet struct {
	facet
	Type    string `json:"datasetType"`
	Subtype string `json:"subType"`
}

type documentationFacet struct {
	facet
	Description string `json:"description"`
}

type jobTypeFacet struct {
	facet
	Processing  string `json:"processingType"`
	Integration string `json:"integration"`
	Type        string `json:"jobType"`
}

type ownershipFacet struct {
	facet
	Owners []lineageOwner `json:"owners"`
}

type lineageOwner struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type tagsFacet struct {
	facet
	Tags []lineageTag `json:"tags"`
}

type lineageTag struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// event makes an event of a run. seen is the dataset that it is about; nil: none.
func (j *lineageJob) event(runID, kind string, at time.Time, seen *lineageReport) ([]byte, error) {
	e := lineageEvent{
		Time: at.UTC().Format("2006-01-02T15:04:05.000Z07:00"), Producer: lineageProducer, Type: kind,
		SchemaURL: lineageSchemas + "2-0-2/OpenLineage.json#/$defs/RunEvent",
		Run:       lineageRunBody{runID, map[string]any{}},
		Job:       lineageJobBody{j.namespace, j.name, j.facets()},
		Inputs:    []lineageSource{}, Outputs: []lineageSource{},
	}
	if seen != nil {
		d := []lineageSource{{j.kafka, seen.topic, datasetFacets(seen.schema)}}
		if seen.side == record.ToSink {
			e.Inputs = d
		} else {
			e.Outputs = d
		}
	}
	return json.Marshal(e)
}

func (j *lineageJob) facets() map[string]any {
	all := map[string]any{"jobType": jobTypeFacet{facetOf("2-0-3", "JobTypeJobFacet"), "STREAMING", "PENSTOCK", "TASK"}}
	if j.description != "" {
		all["documentation"] = documentationFacet{facetOf("1-0-1", "DocumentationJobFacet"), j.description}
	}
	if len(j.owners) > 0 {
		f := ownershipFacet{facet: facetOf("1-0-1", "OwnershipJobFacet")}
		for _, o := range j.owners {
			f.Owners = append(f.Owners, lineageOwner{o[0], o[1]})
		}
		all["ownership"] = f
	}
	if len(j.tags) > 0 {
		f := tagsFacet{facet: facetOf("1-0-0", "TagsJobFacet")}
		for _, tag := range j.tags {
			f.Tags = append(f.Tags, lineageTag{tag[0], tag[1], "CONFIG"})
		}
		all["tags"] = f
	}
	return all
}

func datasetFacets(s *record.Schema) map[string]any {
	all := map[string]any{"datasetType": datasetTypeFacet{facetOf("1-0-0", "DatasetTypeDatasetFacet"), "STREAM", ""}}
	if s != nil && s.Kind == record.Struct {
		all["schema"] = schemaFacet{facetOf("1-1-1", "SchemaDatasetFacet"), lineageFields(s)}
	}
	return all
}

// lineageFields are the fields of a struct, with the fields of those that are structs. Types are Kafka Connect's.
func lineageFields(s *record.Schema) []lineageField {
	all := []lineageField{}
	for _, f := range s.Fields {
		field := lineageField{Name: f.Name, Type: f.Schema.Kind.String(), Description: f.Schema.Doc}
		if f.Schema.Kind == record.Struct {
			field.Fields = lineageFields(f.Schema)
		}
		all = append(all, field)
	}
	return all
}

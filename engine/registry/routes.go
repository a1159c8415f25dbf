package registry

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/registry/schema"
)

// routes are the paths of Confluent's interface. What is not here answers 404.
func (r *Registry) routes() map[string]func(c call) (any, error) {
	all := r.subjectRoutes()
	maps.Copy(all, r.schemaRoutes())
	maps.Copy(all, r.settingRoutes())
	return all
}

func (r *Registry) subjectRoutes() map[string]func(c call) (any, error) {
	return map[string]func(c call) (any, error){
		"GET /subjects":                                             r.listSubjects,
		"POST /subjects/{subject}":                                  r.lookUp,
		"DELETE /subjects/{subject}":                                r.deleteSubject,
		"GET /subjects/{subject}/versions":                          r.listVersions,
		"POST /subjects/{subject}/versions":                         r.register,
		"GET /subjects/{subject}/versions/{version}":                r.getVersion,
		"DELETE /subjects/{subject}/versions/{version}":             r.deleteVersion,
		"GET /subjects/{subject}/versions/{version}/schema":         r.getVersionText,
		"GET /subjects/{subject}/versions/{version}/referencedby":   r.referencedBy,
		"GET /subjects/{subject}/metadata":                          r.latestWithMetadata,
		"POST /compatibility/subjects/{subject}/versions/{version}": r.testVersion,
		"POST /compatibility/subjects/{subject}/versions":           r.testAll,
	}
}

func (r *Registry) schemaRoutes() map[string]func(c call) (any, error) {
	return map[string]func(c call) (any, error){
		"GET /schemas":                   r.listSchemas,
		"GET /schemas/types":             func(call) (any, error) { return []string{schema.JSON, schema.Protobuf, schema.Avro}, nil },
		"GET /schemas/ids/{id}":          r.getID,
		"GET /schemas/ids/{id}/schema":   r.getIDText,
		"GET /schemas/ids/{id}/subjects": r.subjectsOfID,
		"GET /schemas/ids/{id}/versions": r.versionsOfID,
		"GET /schemas/guids/{guid}":      r.getGUID,
		"GET /schemas/guids/{guid}/ids":  r.idsOfGUID,
		"GET /contexts":                  r.listContexts,
		"DELETE /contexts/{context}":     r.deleteContext,
		"GET /{$}":                       func(call) (any, error) { return struct{}{}, nil },
		"GET /v1/metadata/id":            r.clusterID,
		"GET /v1/metadata/version":       r.versionOfServer,
	}
}

func (r *Registry) settingRoutes() map[string]func(c call) (any, error) {
	all := map[string]func(c call) (any, error){}
	for _, path := range []string{"", "/{subject}"} { // without a subject it is the global one
		all["GET /config"+path] = r.getConfig
		all["PUT /config"+path] = r.setConfig
		all["DELETE /config"+path] = r.deleteConfig
		all["GET /mode"+path] = r.getMode
		all["PUT /mode"+path] = r.setMode
		all["DELETE /mode"+path] = r.deleteMode
	}
	return all
}

// page is the part of a list that offset and limit ask for.
func page[T any](c call, all []T) []T {
	all = all[min(max(c.number("offset", 0), 0), len(all)):]
	if limit := c.number("limit", -1); limit > 0 && limit < len(all) {
		all = all[:limit]
	}
	if all == nil {
		return []T{} // a list, not null
	}
	return all
}

// prefix is the prefix of subjects to list: those of all contexts unless one is given.
func (c call) prefix() string {
	if !c.query.Has("subjectPrefix") {
		return anyContext
	}
	return c.query.Get("subjectPrefix")
}

// shown reports whether a version belongs into a list by deleted and deletedOnly.
func (c call) shown(v *version) bool {
	if c.flag("deletedOnly") {
		return v.Deleted
	}
	return !v.Deleted || c.flag("deleted")
}

func (r *Registry) listSubjects(c call) (any, error) {
	var names []string
	err := r.books.read(func(s *state) error {
		for _, subject := range slices.Sorted(maps.Keys(s.subjects)) {
			live, all := len(s.versions(subject, false)), len(s.versions(subject, true))
			show := live > 0 || c.flag("deleted")
			if c.flag("deletedOnly") {
				show = live == 0
			}
			if show && all > 0 && hasPrefix(subject, c.prefix()) {
				names = append(names, subject)
			}
		}
		return nil
	})
	return page(c, names), err
}

func (r *Registry) listVersions(c call) (any, error) {
	var numbers []int
	err := r.books.read(func(s *state) error {
		for _, v := range s.versions(c.subject(), true) {
			if c.shown(v) {
				numbers = append(numbers, v.Version)
			}
		}
		if len(numbers) == 0 {
			return noSubject(c.subject())
		}
		return nil
	})
	return page(c, numbers), err
}

// entity is a version as it is answered (Confluent: entities.Schema).
type entity struct {
	Subject    string          `json:"subject,omitempty"`
	Version    int             `json:"version,omitempty"`
	ID         int             `json:"id"`
	GUID       string          `json:"guid"`
	Type       string          `json:"schemaType,omitempty"`
	References []reference     `json:"references,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	RuleSet    json.RawMessage `json:"ruleSet,omitempty"`
	Schema     string          `json:"schema"`
	Deleted    bool            `json:"deleted,omitempty"`
}

func (r *Registry) entity(s *state, v *version, format string) (entity, error) {
	printed, err := r.books.printed(s, v, format)
	return entity{v.Subject, v.Version, v.ID, v.digest.guid(), v.Type, v.References, v.Metadata, v.RuleSet, printed, v.Deleted}, err
}

// printed is the text of a stored schema in a format.
func (b *books) printed(s *state, v *version, format string) (string, error) {
	if format == "" || strings.EqualFold(format, "default") {
		return v.Schema, nil
	}
	parsed, err := b.schema(s, v)
	if err != nil {
		return "", fail(50001, "The schema cannot be read any more: %s", err)
	}
	return parsed.Formatted(format)
}

// version finds the version that a path names.
func (c call) version(s *state, deleted bool) (*version, error) {
	n, err := readVersion(c.PathValue("version"))
	if err != nil {
		return nil, err
	}
	return s.version(c.subject(), n, deleted)
}

func (r *Registry) getVersion(c call) (v any, err error) {
	err = r.books.read(func(s *state) error {
		found, err := c.version(s, c.flag("deleted"))
		if err == nil {
			v, err = r.entity(s, found, c.query.Get("format"))
		}
		return err
	})
	return v, err
}

func (r *Registry) getVersionText(c call) (v any, err error) {
	err = r.books.read(func(s *state) error {
		found, err := c.version(s, c.flag("deleted"))
		if err != nil {
			return err
		}
		printed, err := r.books.printed(s, found, c.query.Get("format"))
		v = text(printed)
		return err
	})
	return v, err
}

func (r *Registry) referencedBy(c call) (any, error) {
	var ids []int
	err := r.books.read(func(s *state) error {
		v, err := c.version(s, true)
		if err != nil {
			return err
		}
		for _, other := range s.referring(v.Subject, v.Version, c.flag("deleted")) {
			if !slices.Contains(ids, other.ID) {
				ids = append(ids, other.ID)
			}
		}
		return nil
	})
	slices.Sort(ids)
	return page(c, ids), err
}

// latestWithMetadata is the newest version whose metadata has all the properties given.
func (r *Registry) latestWithMetadata(c call) (v any, err error) {
	keys, values := c.query["key"], c.query["value"]
	if len(keys) == 0 || len(keys) != len(values) {
		return nil, fail(http.StatusUnprocessableEntity, "As many values as keys are needed")
	}
	err = r.books.read(func(s *state) error {
		all := s.versions(c.subject(), c.flag("deleted"))
		if len(all) == 0 {
			return noSubject(c.subject())
		}
		for _, found := range slices.Backward(all) {
			has := true
			for i, k := range keys {
				has = has && group(found.Metadata, k) == values[i]
			}
			if has {
				v, err = r.entity(s, found, c.query.Get("format"))
				return err
			}
		}
		return noSchema()
	})
	return v, err
}

// draftMembers are the members of a schema that a client sends.
func draftMembers() []string {
	return []string{
		"schema", "schemaType", "references", "metadata", "ruleSet", "id", "version", "subject", "guid", "deleted", "ts",
		"schemaTagsToAdd", "schemaTagsToRemove", "propagateSchemaTags",
	}
}

func (c call) draft() (draft, error) {
	var d draft
	raw := struct {
		*draft

		Add       json.RawMessage `json:"schemaTagsToAdd"`
		Remove    json.RawMessage `json:"schemaTagsToRemove"`
		Propagate bool            `json:"propagateSchemaTags"`
	}{draft: &d}
	if err := c.body(&raw, draftMembers()...); err != nil {
		return draft{}, err
	}
	if compact(raw.Add) != nil || compact(raw.Remove) != nil || raw.Propagate {
		return draft{}, fail(http.StatusUnprocessableEntity, "Schema tags are not supported by this registry")
	}
	return d, nil
}

func (r *Registry) register(c call) (any, error) {
	d, err := c.draft()
	if err != nil {
		return nil, err
	}
	v, err := r.books.register(c.Context(), c.subject(), d, c.flag("normalize"))
	if err != nil {
		return nil, err
	}
	return struct {
		ID      int    `json:"id"`
		Version int    `json:"version"`
		GUID    string `json:"guid"`
	}{v.ID, v.Version, v.digest.guid()}, nil
}

func (r *Registry) lookUp(c call) (v any, err error) {
	d, err := c.draft()
	if err != nil {
		return nil, err
	}
	found, err := r.books.lookUp(c.subject(), d, c.flag("normalize"), c.flag("deleted"))
	if err != nil {
		return nil, err
	}
	err = r.books.read(func(s *state) error {
		v, err = r.entity(s, found, c.query.Get("format"))
		return err
	})
	return v, err
}

func (r *Registry) deleteSubject(c call) (any, error) {
	return r.books.deleteSubject(c.Context(), c.subject(), c.flag("permanent"))
}

func (r *Registry) deleteVersion(c call) (any, error) {
	n, err := readVersion(c.PathValue("version"))
	if err != nil {
		return nil, err
	}
	return r.books.deleteVersion(c.Context(), c.subject(), n, c.flag("permanent"))
}

// test answers a test of compatibility. Without verbose it does not say why.
func (r *Registry) test(c call, which func(s *state) ([]*version, error)) (any, error) {
	d, err := c.draft()
	if err != nil {
		return nil, err
	}
	why, err := r.books.compare(c.subject(), d, c.flag("normalize"), which)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Is       bool      `json:"is_compatible"`
		Messages *[]string `json:"messages,omitempty"`
	}{Is: len(why) == 0}
	if c.flag("verbose") {
		why = append([]string{}, why...)
		answer.Messages = &why
	}
	return answer, nil
}

func (r *Registry) testVersion(c call) (any, error) {
	n, err := readVersion(c.PathValue("version"))
	if err != nil {
		return nil, err
	}
	return r.test(c, func(s *state) ([]*version, error) {
		if n == latest && len(s.versions(c.subject(), false)) == 0 {
			return nil, nil
		}
		v, err := s.version(c.subject(), n, false)
		return []*version{v}, err
	})
}

func (r *Registry) testAll(c call) (any, error) {
	return r.test(c, func(s *state) ([]*version, error) { return s.versions(c.subject(), false), nil })
}

func (r *Registry) listSchemas(c call) (any, error) {
	var all []entity
	err := r.books.read(func(s *state) error {
		var found []*version
		s.each(func(v *version) {
			if !hasPrefix(v.Subject, c.prefix()) || v.Deleted && !c.flag("deleted") {
				return
			}
			if n := len(found); c.flag("latestOnly") && n > 0 && found[n-1].Subject == v.Subject {
				found = found[:n-1]
			}
			found = append(found, v)
		})
		for _, v := range page(c, found) {
			e, err := r.entity(s, v, "")
			if err != nil {
				return err
			}
			all = append(all, e)
		}
		return nil
	})
	if all == nil {
		all = []entity{}
	}
	return all, err
}

// held are the versions with the id of a path, in the context of the subject that the query names.
func (c call) held(s *state) ([]*version, error) {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 32)
	if err != nil {
		return nil, fail(http.StatusNotFound, "HTTP 404 Not Found")
	}
	all := s.holders(contextOf(c.query.Get("subject")), int(id))
	if len(all) == 0 {
		return nil, noSchemaID(id)
	}
	return all, nil
}

// byID is a schema as it is answered for its id (Confluent: SchemaString).
type byID struct {
	Type       string          `json:"schemaType,omitempty"`
	Schema     string          `json:"schema"`
	GUID       string          `json:"guid"`
	References []reference     `json:"references,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	RuleSet    json.RawMessage `json:"ruleSet,omitempty"`
	MaxID      int             `json:"maxId,omitempty"`
}

func (r *Registry) byID(s *state, v *version, c call) (byID, error) {
	printed, err := r.books.printed(s, v, c.query.Get("format"))
	answer := byID{v.Type, printed, v.digest.guid(), v.References, v.Metadata, v.RuleSet, 0}
	if c.flag("fetchMaxId") {
		answer.MaxID = s.highest[contextOf(v.Subject)]
	}
	return answer, err
}

func (r *Registry) getID(c call) (v any, err error) {
	err = r.books.read(func(s *state) error {
		all, err := c.held(s)
		if err == nil {
			v, err = r.byID(s, all[0], c)
		}
		return err
	})
	return v, err
}

func (r *Registry) getIDText(c call) (v any, err error) {
	err = r.books.read(func(s *state) error {
		all, err := c.held(s)
		if err != nil {
			return err
		}
		printed, err := r.books.printed(s, all[0], c.query.Get("format"))
		v = text(printed)
		return err
	})
	return v, err
}

func (r *Registry) subjectsOfID(c call) (any, error) {
	var names []string
	err := r.books.read(func(s *state) error {
		all, err := c.held(s)
		for _, v := range all {
			if (!v.Deleted || c.flag("deleted")) && !slices.Contains(names, v.Subject) {
				names = append(names, v.Subject)
			}
		}
		return err
	})
	return page(c, names), err
}

type subjectVersion struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

func (r *Registry) versionsOfID(c call) (any, error) {
	var found []subjectVersion
	err := r.books.read(func(s *state) error {
		all, err := c.held(s)
		for _, v := range all {
			if !v.Deleted || c.flag("deleted") {
				found = append(found, subjectVersion{v.Subject, v.Version})
			}
		}
		return err
	})
	return page(c, found), err
}

func (r *Registry) getGUID(c call) (v any, err error) {
	err = r.books.read(func(s *state) error {
		var found *version
		s.each(func(v *version) {
			if found == nil && strings.EqualFold(v.digest.guid(), c.PathValue("guid")) {
				found = v
			}
		})
		if found == nil {
			return noSchemaID(c.PathValue("guid"))
		}
		v, err = r.byID(s, found, c)
		return err
	})
	return v, err
}

func (r *Registry) idsOfGUID(c call) (any, error) {
	type contextID struct {
		Context string `json:"context"`
		ID      int    `json:"id"`
	}
	var found []contextID
	err := r.books.read(func(s *state) error {
		s.each(func(v *version) {
			one := contextID{contextOf(v.Subject), v.ID}
			if strings.EqualFold(v.digest.guid(), c.PathValue("guid")) && !slices.Contains(found, one) {
				found = append(found, one)
			}
		})
		if len(found) == 0 {
			return noSchemaID(c.PathValue("guid"))
		}
		return nil
	})
	return found, err
}

func (r *Registry) listContexts(c call) (any, error) {
	var names []string
	err := r.books.read(func(s *state) error {
		names = s.contextNames()
		return nil
	})
	return page(c, names), err
}

func (r *Registry) deleteContext(c call) (any, error) {
	return nothing{}, r.books.deleteContext(c.Context(), readContext(c.PathValue("context")))
}

func (r *Registry) clusterID(call) (any, error) {
	return map[string]any{"id": "", "scope": map[string]any{"path": []string{}, "clusters": map[string]string{
		"kafka-cluster": "penstock-development-broker", "schema-registry-cluster": "schema-registry",
	}}}, nil
}

func (r *Registry) versionOfServer(call) (any, error) {
	return map[string]string{"version": r.version, "commitId": ""}, nil
}

// answered is a configuration as GET and DELETE answer it.
func answered(v configValue) any {
	v.Subject = ""
	return v
}

func (r *Registry) getConfig(c call) (any, error) {
	v, err := r.books.config(c.subject(), c.flag("defaultToGlobal"))
	return answered(v), err
}

// configRequest is what PUT takes and answers (Confluent: ConfigUpdateRequest).
type configRequest struct {
	Level     *string `json:"compatibility,omitempty"`
	Group     string  `json:"compatibilityGroup,omitempty"`
	Normalize *bool   `json:"normalize,omitempty"`
}

// notCarriedOut are settings that Confluent's registry has and this one does not.
func notCarriedOut() []string {
	return []string{"alias", "validateFields", "validateNames", "defaultMetadata", "overrideMetadata", "defaultRuleSet", "overrideRuleSet"}
}

func (r *Registry) setConfig(c call) (any, error) {
	var all map[string]json.RawMessage
	if err := c.body(&all, append(notCarriedOut(), "compatibility", "compatibilityGroup", "normalize")...); err != nil {
		return nil, err
	}
	for _, name := range notCarriedOut() {
		if v := compact(all[name]); v != nil && string(v) != "false" {
			return nil, fail(http.StatusUnprocessableEntity, "%s is not supported by this registry", name)
		}
	}
	var given configRequest
	if err := json.Unmarshal(marshal(all), &given); err != nil {
		return nil, fail(http.StatusBadRequest, "Cannot deserialize the body: %s", err)
	}
	v := configValue{Normalize: given.Normalize, Group: given.Group}
	if given.Level != nil {
		l, ok := readLevel(*given.Level)
		if !ok {
			return nil, fail(42203, "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive")
		}
		name := string(l)
		v.Level, given.Level = l, &name
	}
	return given, r.books.setConfig(c.Context(), c.subject(), v)
}

func (r *Registry) deleteConfig(c call) (any, error) {
	v, err := r.books.deleteConfig(c.Context(), c.subject())
	return answered(v), err
}

// modeBody is a mode as it is sent and answered.
type modeBody struct {
	Mode string `json:"mode"`
}

func (r *Registry) getMode(c call) (any, error) {
	m, err := r.books.mode(c.subject(), c.flag("defaultToGlobal"))
	return modeBody{string(m)}, err
}

func (r *Registry) setMode(c call) (any, error) {
	var given modeBody
	if err := c.body(&given, "mode"); err != nil {
		return nil, err
	}
	m, ok := readMode(given.Mode)
	if !ok {
		return nil, fail(42204, "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT, and FORWARD")
	}
	return modeBody{string(m)}, r.books.setMode(c.Context(), c.subject(), m, c.flag("force"))
}

func (r *Registry) deleteMode(c call) (any, error) {
	m, err := r.books.deleteMode(c.Context(), c.subject())
	return modeBody{string(m)}, err
}
